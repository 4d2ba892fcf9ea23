"""What a client certificate proves, as Envoy has verified it and passed it on."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sidecar.authentication.cache import Cache
from sidecar.authentication.settings import WorkloadSettings
from sidecar.errors import InvalidCredential
from sidecar.principal import Principal
from sidecar.request import HttpRequest

_LONGEST = 32_768
_REMEMBERED = 1024
# The SPIFFE standard, section 2: trust domain and path segments; `.` and `..` are no segments.
_SPIFFE = re.compile(r"spiffe://[a-z0-9._-]{1,255}(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._-]+)*\Z")
_LONGEST_ID = 2048


@dataclass(frozen=True, slots=True)
class _Seen:
    thumbprint: str
    uris: tuple[str, ...]


class Certificates:
    """Reads certificates, each once. Only `source.certificate` counts, never a header that names one."""

    def __init__(self) -> None:
        self._seen: Cache[str, _Seen] = Cache(_REMEMBERED)

    def check_binding(self, expected: str, request: HttpRequest) -> None:
        """Prove `cnf.x5t#S256` (RFC 8705, section 3.1); raises InvalidCredential."""
        if not request.peer_certificate:
            raise InvalidCredential("certificate_missing")
        if not hmac.compare_digest(self._read(request.peer_certificate).thumbprint, expected):
            raise InvalidCredential("certificate_mismatch")

    def check_single_identity(self, request: HttpRequest) -> None:
        """A SPIFFE certificate has exactly one URI (X509-SVID, section 2); checked when Envoy passes certificates."""
        if request.peer_certificate and self._read(request.peer_certificate).uris != (request.peer_principal,):
            raise InvalidCredential("certificate_identity")

    def _read(self, encoded: str) -> _Seen:
        seen = self._seen.get(encoded)
        if seen is None:
            seen = _parse(encoded)
            self._seen.put(encoded, seen)
        return seen


class Workloads:
    """Callers known by the SPIFFE id of their client certificate."""

    def __init__(self, settings: tuple[WorkloadSettings, ...], certificates: Certificates) -> None:
        self._settings, self._certificates = settings, certificates
        self._known: Cache[str, Principal] = Cache(_REMEMBERED)

    def authenticate(self, request: HttpRequest) -> Principal | None:
        """The workload, or None when there is no certificate with a SPIFFE id.

        Raises InvalidCredential for an id that is malformed or not configured.
        """
        name = request.peer_principal
        if not name.startswith("spiffe:"):
            return None
        self._certificates.check_single_identity(request)
        principal = self._known.get(name)
        if principal is None:
            principal = self._find(name)
            self._known.put(name, principal)
        return principal

    def _find(self, name: str) -> Principal:
        if len(name) > _LONGEST_ID or not _SPIFFE.match(name):
            raise InvalidCredential("workload_malformed")
        for entry in self._settings:
            below = entry.id.removesuffix("*")
            if name == entry.id or (below != entry.id and name.startswith(below)):
                return Principal(
                    id=name,
                    kind="workload",
                    subject=name,
                    budget=name,
                    tenant=entry.tenant,
                    plan=entry.plan,
                    scopes=frozenset(entry.scopes),
                    models=entry.models,
                )
        raise InvalidCredential("workload_unknown")


def _parse(encoded: str) -> _Seen:
    if len(encoded) > _LONGEST:
        raise InvalidCredential("certificate_malformed")
    try:
        certificate = x509.load_pem_x509_certificate(unquote_to_bytes(encoded))
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = tuple(names.get_values_for_type(x509.UniformResourceIdentifier))
    except x509.ExtensionNotFound:
        uris = ()
    except (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise InvalidCredential("certificate_malformed") from None
    digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
    return _Seen(urlsafe_b64encode(digest).rstrip(b"=").decode(), uris)

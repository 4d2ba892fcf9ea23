"""Finding the one credential that a request carries."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sidecar.errors import InvalidCredential
from sidecar.request import HttpRequest

# RFC 9110, section 11.1 and RFC 6750, section 2.1: a scheme in any case, exactly one space, a b64token.
_AUTHORIZATION = re.compile(r"([A-Za-z]{1,16}) ([A-Za-z0-9\-._~+/]+=*)\Z")
_KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]+\Z")  # visible ASCII without the comma that Envoy joins values with


@dataclass(frozen=True, slots=True)
class Presented:
    """A credential as it came. `scheme` is `bearer` or `dpop` for Authorization, `key` for the other headers."""

    scheme: str
    value: str


class CredentialReader:
    """Reads Authorization and the configured key headers."""

    def __init__(self, key_headers: tuple[str, ...]) -> None:
        self._key_headers = key_headers
        self.headers = ("authorization", *key_headers)

    def read(self, request: HttpRequest) -> Presented | None:
        """The credential, or None when there is none.

        Raises InvalidCredential when it is malformed or when two headers disagree: whichever one we chose, the
        upstream might choose the other. The same key in two headers is one credential. InvalidRequest is raised when
        one header is doubled.
        """
        headers = request.headers
        found: Presented | None = None
        if "authorization" in headers:
            match = _AUTHORIZATION.match(request.header("authorization") or "")
            if match is None:
                raise InvalidCredential("malformed_authorization")
            scheme = match[1].lower()
            if scheme not in {"bearer", "dpop"}:
                raise InvalidCredential("unsupported_scheme")
            found = Presented(scheme, match[2])
        for name in self._key_headers:
            if name not in headers:
                continue
            value = request.header(name) or ""
            if not _KEY.match(value):
                raise InvalidCredential("malformed_key_header")
            if found is not None and found.value != value:
                raise InvalidCredential("several_credentials")
            found = found or Presented("key", value)
        if found is not None and "connection" in headers:
            self._refuse_hop_by_hop(headers["connection"])
        return found

    def _refuse_hop_by_hop(self, values: tuple[str, ...]) -> None:
        # RFC 9110, section 7.6.1: a proxy drops the headers that Connection names, so what we saw is not what the
        # next hop would see.
        named = {option.strip().lower() for value in values for option in value.split(",")}
        if not named.isdisjoint(self.headers):
            raise InvalidCredential("hop_by_hop_credential")

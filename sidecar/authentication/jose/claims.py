"""Reading the claims of a JWT whose signature has been verified."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import inf
from typing import Any, NamedTuple

from sidecar.authentication.cache import Cache
from sidecar.authentication.settings import CallerSettings
from sidecar.errors import InvalidCredential
from sidecar.principal import Principal

_VALUE = re.compile(r"[\x21-\x7e]{1,256}\Z")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+\Z")  # RFC 6749, section 3.3
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_LATEST = 2**53
_ABSENT = object()
_SCOPES_REMEMBERED = 256
_ACCESS_KINDS = frozenset({"bearer", "dpop", "at+jwt", "jwt"})
_NAMED = frozenset({"sub", "jti", "client_id", "azp"})
# What tells an ID token (OpenID Connect Core, section 3.1.3.6) or a logout token from an access token.
_OTHER_KINDS = frozenset({"at_hash", "c_hash", "s_hash", "events"})


class Validity(NamedTuple):
    """What must be checked again each time the JWT is shown. Unix seconds, leeway included."""

    not_before: float
    not_after: float
    jti: str
    subject: str
    issued_at: int


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The `cnf` claim: the key that whoever shows the token must prove to hold. One of them is set.

    `certificate` is the base64url SHA-256 of the client certificate (RFC 8705), `key` the thumbprint of a DPoP key
    (RFC 7638, RFC 9449).
    """

    certificate: str = ""
    key: str = ""


def confirmation_of(claims: dict[str, Any]) -> Confirmation | None:
    """The proof that the claims ask for; raises InvalidCredential for one that we can't check."""
    if "cnf" not in claims:
        return None
    cnf = claims["cnf"]
    if isinstance(cnf, dict) and len(cnf) == 1:
        for name, field in (("x5t#S256", "certificate"), ("jkt", "key")):
            value = cnf.get(name)
            if isinstance(value, str) and _THUMBPRINT.match(value):
                return Confirmation(**{field: value})
    raise InvalidCredential("jwt_confirmation")


class ClaimsReader:
    """Reads claims as one authorization server's settings want them (RFC 7519, RFC 8725, RFC 9068)."""

    def __init__(self, settings: CallerSettings, kind: str, max_lifetime: float = inf) -> None:
        self._settings, self._kind, self._max_lifetime = settings, kind, max_lifetime
        self._audiences, self._client_ids = frozenset(settings.audiences), frozenset(settings.client_ids)
        self._prefix = f"jwt:{settings.issuer}|"  # of whatever kind: a subject and its budget are the same
        self._scopes: Cache[str, frozenset[str]] = Cache(_SCOPES_REMEMBERED)

    def read(self, claims: dict[str, Any], now: float) -> tuple[Principal, Validity]:
        """The principal that the claims describe, and until when.

        Raises InvalidCredential when a claim is missing, of the wrong type, or not acceptable to the settings.
        """
        settings = self._settings
        if claims.get("iss") != settings.issuer:
            raise InvalidCredential("jwt_issuer")
        self._check_audience(claims.get("aud"))
        _check_kind(claims)
        not_before, not_after, issued_at = self._dates(claims, now)
        client_id = self._client_id(claims)
        subject = _text(claims, "sub", client_id)
        if not subject:
            raise InvalidCredential("jwt_subject")
        name = self._prefix + subject
        principal = Principal(
            id=name,
            kind=self._kind,
            subject=subject,
            budget=name,
            tenant=_text(claims, settings.tenant_claim) if settings.tenant_claim else settings.tenant,
            plan=_text(claims, settings.plan_claim) if settings.plan_claim else settings.plan,
            scopes=self._granted(claims),
            issuer=settings.issuer,
            client_id=client_id,
            expires_at=float(claims["exp"]),
        )
        return principal, Validity(not_before, not_after, _text(claims, "jti", ""), subject, issued_at)

    def _dates(self, claims: dict[str, Any], now: float) -> tuple[float, float, int]:
        leeway = self._settings.leeway
        expires = _date(claims, "exp")
        if expires is None:
            raise InvalidCredential("jwt_exp_missing")
        starts, issued = _date(claims, "nbf"), _date(claims, "iat")
        if now >= expires + leeway:
            raise InvalidCredential("jwt_expired")
        if starts is not None and now < starts - leeway:
            raise InvalidCredential("jwt_not_yet_valid")
        if issued is not None and now < issued - leeway:
            raise InvalidCredential("jwt_issued_in_future")
        if expires - (now - leeway if issued is None else issued) > self._max_lifetime:
            raise InvalidCredential("jwt_lifetime")
        return (starts or 0) - leeway, expires + leeway, issued or 0

    def _check_audience(self, audience: Any) -> None:
        if isinstance(audience, str) and audience in self._audiences:
            return
        if isinstance(audience, list):
            for name in audience:
                if not isinstance(name, str):
                    raise InvalidCredential("jwt_audience")
            if not self._audiences.isdisjoint(audience):
                return
        raise InvalidCredential("jwt_audience")

    def _client_id(self, claims: dict[str, Any]) -> str:
        client_id, party = _text(claims, "client_id", ""), _text(claims, "azp", "")
        if client_id and party and client_id != party:
            raise InvalidCredential("jwt_client_id")
        client_id = client_id or party
        if self._client_ids and client_id not in self._client_ids:
            raise InvalidCredential("jwt_client_id")
        return client_id

    def _granted(self, claims: dict[str, Any]) -> frozenset[str]:
        """`scope` (RFC 8693, section 4.2: a string) and `scp` (a string or an array), together."""
        scope, scp = claims.get("scope"), claims.get("scp")
        granted = frozenset() if scope is None else self._split(scope)
        if scp is None:
            return granted
        if isinstance(scp, list):
            return granted | _checked_scopes(scp)
        return granted | self._split(scp)

    def _split(self, scope: Any) -> frozenset[str]:
        if not isinstance(scope, str):
            raise InvalidCredential("jwt_scope")
        known = self._scopes.get(scope)
        if known is None:
            known = _checked_scopes(scope.split(" ") if scope else [])
            self._scopes.put(scope, known)
        return known


def _checked_scopes(found: list[Any]) -> frozenset[str]:
    for scope in found:
        if not isinstance(scope, str) or not _SCOPE.match(scope):
            raise InvalidCredential("jwt_scope")
    return frozenset(found)


def _date(claims: dict[str, Any], name: str) -> int | None:
    value = claims.get(name, _ABSENT)
    if value is _ABSENT:
        return None
    if type(value) is not int or not 0 < value < _LATEST:
        raise InvalidCredential(f"jwt_{name}")
    return value


def _check_kind(claims: dict[str, Any]) -> None:
    if not _OTHER_KINDS.isdisjoint(claims):
        raise InvalidCredential("jwt_kind")
    # Keycloak and Cognito say in a claim what kind of JWT it is.
    if "typ" in claims and str(claims["typ"]).lower() not in _ACCESS_KINDS:
        raise InvalidCredential("jwt_kind")
    if claims.get("token_use", "access") != "access":
        raise InvalidCredential("jwt_kind")


def _text(claims: dict[str, Any], name: str, default: str | None = None) -> str:
    """A claim of 1 to 256 visible ASCII characters: it may stand in headers, logs and names of buckets."""
    value = claims.get(name, _ABSENT)
    if value is _ABSENT and default is not None:
        return default
    if not isinstance(value, str) or not _VALUE.match(value):
        raise InvalidCredential("jwt_" + (name if name in _NAMED else "claim"))
    return value

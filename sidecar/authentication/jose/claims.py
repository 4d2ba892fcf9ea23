"""Reading the claims of a JWT whose signature has been verified."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sidecar.authentication.settings import CallerSettings
from sidecar.errors import InvalidCredential
from sidecar.principal import Principal

_VALUE = re.compile(r"[\x21-\x7e]{1,256}\Z")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+\Z")  # RFC 6749, section 3.3
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_LATEST = 2**53
# What tells an ID token (OpenID Connect Core, section 3.1.3.6) or a logout token from an access token.
_OTHER_KINDS = ("at_hash", "c_hash", "s_hash", "events")


@dataclass(frozen=True, slots=True)
class Validity:
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


def check_claims(
    claims: dict[str, Any], settings: CallerSettings, now: float, kind: str = "jwt"
) -> tuple[Principal, Validity]:
    """The principal that the claims describe, and until when (RFC 7519, RFC 8725, RFC 9068).

    Raises InvalidCredential when a claim is missing, of the wrong type, or not acceptable to the settings.
    """
    if claims.get("iss") != settings.issuer:
        raise InvalidCredential("jwt_issuer")
    _check_audience(claims.get("aud"), settings.audiences)
    _check_kind(claims)
    validity = _validity(claims, settings, now)
    client_id = _client_id(claims, settings)
    subject = _text(claims, "sub", "") or client_id
    if not subject:
        raise InvalidCredential("jwt_subject")
    name = f"jwt:{settings.issuer}|{subject}"  # of whatever kind: the subject and its budget are the same
    principal = Principal(
        id=name,
        kind=kind,
        subject=subject,
        budget=name,
        tenant=_text(claims, settings.tenant_claim) if settings.tenant_claim else settings.tenant,
        plan=_text(claims, settings.plan_claim) if settings.plan_claim else settings.plan,
        scopes=_scopes(claims),
        issuer=settings.issuer,
        client_id=client_id,
        expires_at=float(claims["exp"]),
    )
    return principal, Validity(validity[0], validity[1], _text(claims, "jti", ""), subject, claims.get("iat", 0))


def _validity(claims: dict[str, Any], settings: CallerSettings, now: float) -> tuple[float, float]:
    expires = _date(claims, "exp")
    if expires is None:
        raise InvalidCredential("jwt_exp_missing")
    starts, issued = _date(claims, "nbf"), _date(claims, "iat")
    if now >= expires + settings.leeway:
        raise InvalidCredential("jwt_expired")
    if starts is not None and now < starts - settings.leeway:
        raise InvalidCredential("jwt_not_yet_valid")
    if issued is not None and now < issued - settings.leeway:
        raise InvalidCredential("jwt_issued_in_future")
    lifetime = expires - issued if issued is not None else expires - now - settings.leeway
    if lifetime > settings.max_lifetime:
        raise InvalidCredential("jwt_lifetime")
    return (starts or 0) - settings.leeway, expires + settings.leeway


def _date(claims: dict[str, Any], name: str) -> int | None:
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if type(value) is not int or not 0 < value < _LATEST:
        raise InvalidCredential(f"jwt_{name}")
    return value


def _check_audience(audience: Any, accepted: tuple[str, ...]) -> None:
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise InvalidCredential("jwt_audience")
    if not any(name in accepted for name in named):
        raise InvalidCredential("jwt_audience")


def _check_kind(claims: dict[str, Any]) -> None:
    if any(name in claims for name in _OTHER_KINDS):
        raise InvalidCredential("jwt_kind")
    # Keycloak and Cognito say in a claim what kind of JWT it is.
    if str(claims.get("typ", "bearer")).lower() not in {"bearer", "dpop", "at+jwt", "jwt"}:
        raise InvalidCredential("jwt_kind")
    if claims.get("token_use", "access") != "access":
        raise InvalidCredential("jwt_kind")


def _client_id(claims: dict[str, Any], settings: CallerSettings) -> str:
    client_id, party = _text(claims, "client_id", ""), _text(claims, "azp", "")
    if client_id and party and client_id != party:
        raise InvalidCredential("jwt_client_id")
    client_id = client_id or party
    if settings.client_ids and client_id not in settings.client_ids:
        raise InvalidCredential("jwt_client_id")
    return client_id


def _text(claims: dict[str, Any], name: str, default: str | None = None) -> str:
    value = claims.get(name, default)
    if value == "" and default == "" and name not in claims:
        return ""
    if not isinstance(value, str) or not _VALUE.match(value):
        raise InvalidCredential("jwt_" + (name if name in {"sub", "jti", "client_id", "azp"} else "claim"))
    return value


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    """`scope` (RFC 8693, section 4.2: a string) and `scp` (a string or an array), together."""
    found: list[str] = []
    for name in ("scope", "scp"):
        value = claims.get(name)
        if value is None or value == "":
            continue
        if isinstance(value, str):
            found += value.split(" ")
        elif name == "scp" and isinstance(value, list):
            found += value
        else:
            raise InvalidCredential("jwt_scope")
    if not all(isinstance(scope, str) and _SCOPE.match(scope) for scope in found):
        raise InvalidCredential("jwt_scope")
    return frozenset(found)

"""A strict front door for JWTs: what no library may ever be asked to read."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any

from sidecar.errors import InvalidCredential

_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\Z")
_HEADER_MEMBERS = frozenset({"alg", "kid", "typ", "cty", "x5t", "x5t#S256"})
_MOST_DIGITS = 17
_MOST_CONTAINERS = 256


@dataclass(frozen=True, slots=True)
class OpenedJwt:
    """A JWT taken apart, and nothing verified yet. `typ` is lower case, without `application/`; "" when absent."""

    algorithm: str
    kid: str | None
    typ: str
    claims: dict[str, Any]
    signed: bytes
    signature: bytes
    header: dict[str, Any]


def looks_like_jwt(value: str) -> bool:
    """Whether `value` has the shape of a compact JWS; says nothing about its worth."""
    return value.startswith("ey") and value.count(".") == 2


def open_jwt(value: str, max_bytes: int, allowed: frozenset[str] = _HEADER_MEMBERS) -> OpenedJwt:
    """Take a JWT (RFC 7519, compact JWS) apart.

    Raises InvalidCredential on everything that two readers might read differently: other than three parts of
    canonical unpadded base64url, anything but UTF-8 JSON objects, a doubled member, a header member that is not
    `allowed` (`jwk`, `jku`, `x5u`, `x5c`, `crit`, `b64`, `zip` never are), numbers beyond any sense, a deep nest.
    """
    if len(value) > max_bytes:
        raise InvalidCredential("jwt_too_long")
    match = _COMPACT.match(value)
    if match is None:
        raise InvalidCredential("jwt_malformed")
    header = _object(_decode(match[1]))
    if not header.keys() <= allowed:
        raise InvalidCredential("jwt_header_member")
    algorithm, kid, typ = header.get("alg"), header.get("kid"), header.get("typ", "")
    if not isinstance(algorithm, str) or not isinstance(typ, str):
        raise InvalidCredential("jwt_header_type")
    if kid is not None and (not isinstance(kid, str) or not 0 < len(kid) <= 256 or not kid.isprintable()):
        raise InvalidCredential("jwt_kid")
    signed = value[: match.end(2)].encode("ascii")
    typ = typ.lower().removeprefix("application/")
    return OpenedJwt(algorithm, kid, typ, _object(_decode(match[2])), signed, _decode(match[3]), header)


def _decode(part: str) -> bytes:
    data = part.encode("ascii")
    try:
        decoded = base64.urlsafe_b64decode(data + b"=" * (-len(data) % 4))
    except binascii.Error:
        raise InvalidCredential("jwt_base64") from None
    # Unused bits of the last character must be zero; otherwise several texts are the same JWT.
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != data:
        raise InvalidCredential("jwt_base64")
    return decoded


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise InvalidCredential("jwt_doubled_member")
    return members


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise InvalidCredential("jwt_number")
    return int(digits)


def _constant(_: str) -> None:
    raise InvalidCredential("jwt_number")


_json = json.JSONDecoder(object_pairs_hook=_members, parse_int=_integer, parse_constant=_constant)


def _object(data: bytes) -> dict[str, Any]:
    try:
        text = data.decode("utf-8")
        if text.count("[") + text.count("{") > _MOST_CONTAINERS:
            raise InvalidCredential("jwt_json")
        value = _json.decode(text)
    except (ValueError, RecursionError):
        raise InvalidCredential("jwt_json") from None
    if not isinstance(value, dict):
        raise InvalidCredential("jwt_json")
    return value

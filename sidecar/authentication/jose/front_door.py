"""A strict front door for JWTs: what no library may ever be asked to read."""

from __future__ import annotations

import binascii
import json
from typing import Any, NamedTuple

import msgspec

from sidecar.authentication.cache import Cache
from sidecar.errors import InvalidCredential

_HEADER_MEMBERS = frozenset({"alg", "kid", "typ", "cty", "x5t", "x5t#S256"})
_MOST_DIGITS = 17
_HEADERS_REMEMBERED = 256
_LONGEST_REMEMBERED = 512
_MOST_CONTAINERS = 256

# base64url to base64; `+`, `/` and `=` become something that is neither.
_ALPHABET = bytes.maketrans(b"-_+/=", b"+/!!!")
_PADDING = (b"", b"", b"==", b"=")
# The last character of a part whose bits don't fill a byte: its unused bits must be zero, otherwise several texts are
# the same JWT.
_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_LAST: tuple[frozenset[str], ...] = (frozenset(_DIGITS), frozenset(), frozenset(_DIGITS[::16]), frozenset(_DIGITS[::4]))


class Header(NamedTuple):
    """The header of a JWT. `typ` is lower case, without `application/`; "" when absent."""

    algorithm: str
    kid: str | None
    typ: str
    members: dict[str, Any]


class OpenedJwt(NamedTuple):
    """A JWT taken apart, and nothing verified yet."""

    header: Header
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def looks_like_jwt(value: str) -> bool:
    """Whether `value` has the shape of a compact JWS; says nothing about its worth."""
    return value.startswith("ey") and value.count(".") == 2


class FrontDoor:
    """Takes JWTs (RFC 7519, compact JWS) apart; `allowed` are the header members that may occur.

    Headers repeat, so that those seen lately are remembered.
    """

    def __init__(self, allowed: frozenset[str] = _HEADER_MEMBERS) -> None:
        self._allowed = allowed
        self._headers: Cache[str, Header] = Cache(_HEADERS_REMEMBERED)

    def open(self, value: str, max_bytes: int) -> OpenedJwt:
        """The JWT in `value`.

        Raises InvalidCredential on everything that two readers might read differently: other than three parts of
        canonical unpadded base64url, anything but UTF-8 JSON objects, a doubled member, a header member that is not
        allowed (`jku`, `x5u`, `x5c`, `crit`, `b64`, `zip` never are), numbers beyond any sense, a deep nest.
        """
        if len(value) > max_bytes:
            raise InvalidCredential("jwt_too_long")
        parts = value.split(".")
        if len(parts) != 3 or not value.isascii():
            raise InvalidCredential("jwt_malformed")
        first, second, third = parts
        header = self._headers.get(first)
        if header is None:
            header = self._read(first)
            if len(first) <= _LONGEST_REMEMBERED:
                self._headers.put(first, header)
        signed = value[: -len(third) - 1].encode("ascii")
        return OpenedJwt(header, _object(_decode(second)), signed, _decode(third))

    def _read(self, part: str) -> Header:
        members = _object(_decode(part))
        if not members.keys() <= self._allowed:
            raise InvalidCredential("jwt_header_member")
        algorithm, kid, typ = members.get("alg"), members.get("kid"), members.get("typ", "")
        if not isinstance(algorithm, str) or not isinstance(typ, str):
            raise InvalidCredential("jwt_header_type")
        if kid is not None and (not isinstance(kid, str) or not 0 < len(kid) <= 256 or not kid.isprintable()):
            raise InvalidCredential("jwt_kid")
        return Header(algorithm, kid, typ.lower().removeprefix("application/"), members)


def _decode(part: str) -> bytes:
    size = len(part) % 4
    if not part or part[-1] not in _LAST[size]:
        raise InvalidCredential("jwt_base64")
    try:
        return binascii.a2b_base64(part.encode("ascii").translate(_ALPHABET) + _PADDING[size], strict_mode=True)
    except ValueError:  # binascii.Error, or a character beyond ASCII
        raise InvalidCredential("jwt_base64") from None


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


_LARGE = 10**_MOST_DIGITS
_flat = msgspec.json.Decoder(dict[str, str | int | bool | list[str] | None])
_json = json.JSONDecoder(object_pairs_hook=_members, parse_int=_integer, parse_constant=_constant)


def _object(data: bytes) -> dict[str, Any]:
    try:
        text = data.decode("utf-8")
        if text.count("[") + text.count("{") > _MOST_CONTAINERS:
            raise InvalidCredential("jwt_json")
        value = _quick(data, text) or _json.decode(text)
    except (ValueError, RecursionError):
        raise InvalidCredential("jwt_json") from None
    if not isinstance(value, dict):
        raise InvalidCredential("jwt_json")
    return value


def _quick(data: bytes, text: str) -> dict[str, Any] | None:
    """The object in `data` when it is flat and surely without doubled members; None leaves it to the thorough decoder.

    Without escapes every colon stands between a name and its value or is part of a string that is kept as it stands.
    A doubled member would leave a colon over.
    """
    if "\\" in text:
        return None
    try:
        value = _flat.decode(data)
    except (msgspec.ValidationError, msgspec.DecodeError):
        return None
    colons = len(value)
    for name, member in value.items():
        if ":" in name:
            colons += name.count(":")
        if isinstance(member, str):
            if ":" in member:
                colons += member.count(":")
        elif isinstance(member, list):
            for item in member:
                colons += item.count(":")
        elif type(member) is int and not -_LARGE < member < _LARGE:
            return None
    return value if colons == text.count(":") else None

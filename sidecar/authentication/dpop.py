"""DPoP (RFC 9449): proof that whoever shows an access token holds its key."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import urlsplit

from redis.asyncio import Redis

from sidecar.authentication.cache import Cache
from sidecar.authentication.change_feed import ask
from sidecar.authentication.jose.front_door import FrontDoor, Header
from sidecar.authentication.jose.jwks import UnusableKeys, VerificationKey, read_jwks
from sidecar.errors import InvalidCredential, InvalidRequest
from sidecar.request import HttpRequest, canonical_host, split_target

_ALGORITHMS = ("ES256", "EdDSA", "RS256", "PS256", "ES384")
_HEADER = frozenset({"alg", "typ", "jwk"})
_LONGEST = 4096
_REPLAYS_REMEMBERED = 100_000
_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}


class Replays(Protocol):
    """A memory of proofs that were shown."""

    async def is_first(self, proof: str, seconds: float) -> bool:
        """Whether `proof` was not shown in the last `seconds`; raises StoreUnavailable."""


class RedisReplays:
    """Shared by all replicas. When Redis does not answer, no proof is accepted."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis: Any = redis
        self._prefix = prefix

    async def is_first(self, proof: str, seconds: float) -> bool:
        """See Replays."""
        # Sent once: a repeated SET could meet its own first attempt, which refuses an honest proof but admits none.
        written = await ask(self._redis.set, f"{self._prefix}:dpop:{proof}", b"1", nx=True, px=int(seconds * 1000))
        return bool(written)


class LocalReplays:
    """One replica's own memory, for installations without Redis."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shown: Cache[str, float] = Cache(_REPLAYS_REMEMBERED)

    async def is_first(self, proof: str, seconds: float) -> bool:
        """See Replays."""
        now = self._clock()
        until = self._shown.get(proof)
        if until is not None and now < until:
            return False
        self._shown.put(proof, now + seconds)
        return True


class DpopProofs:
    """Checks the DPoP header against the request and the access token that it came with."""

    def __init__(self, window: float, replays: Replays, clock: Callable[[], float] = time.time) -> None:
        self._window, self._replays, self._clock = window, replays, clock
        self._door = FrontDoor(_HEADER)

    async def check(self, thumbprint: str, access_token: str, request: HttpRequest) -> None:
        """RFC 9449, section 4.3. Raises InvalidCredential, StoreUnavailable, InvalidRequest for a doubled header."""
        header = request.header("dpop")
        if header is None:
            raise InvalidCredential("dpop_missing")
        head, claims, signed, signature = self._door.open(header, _LONGEST)
        key = _key(head)
        if head.typ != "dpop+jwt" or not key.verify(head.algorithm, signed, signature):
            raise InvalidCredential("dpop_signature")
        if not hmac.compare_digest(jwk_thumbprint(head.members["jwk"]), thumbprint):
            raise InvalidCredential("dpop_key")
        if claims.get("htm") != request.method or not _same_target(claims.get("htu"), request):
            raise InvalidCredential("dpop_target")
        digest = urlsafe_b64encode(hashlib.sha256(access_token.encode()).digest()).rstrip(b"=").decode()
        if claims.get("ath") != digest:
            raise InvalidCredential("dpop_ath")
        issued, jti = claims.get("iat"), claims.get("jti")
        if type(issued) is not int or abs(self._clock() - issued) > self._window:
            raise InvalidCredential("dpop_iat")
        if not isinstance(jti, str) or not 0 < len(jti) <= 256:
            raise InvalidCredential("dpop_jti")
        shown = hashlib.sha256(f"{thumbprint}|{jti}".encode("utf-8", "surrogatepass")).hexdigest()
        if not await self._replays.is_first(shown, 2 * self._window):
            raise InvalidCredential("dpop_replayed")


def jwk_thumbprint(jwk: dict[str, Any]) -> str:
    """The SHA-256 thumbprint of a public JWK (RFC 7638), base64url."""
    members = {name: jwk[name] for name in _MEMBERS[jwk["kty"]]}
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    return urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()


def _key(header: Header) -> VerificationKey:
    jwk = header.members.get("jwk")
    if not isinstance(jwk, dict):
        raise InvalidCredential("dpop_key")
    try:
        return read_jwks(json.dumps({"keys": [jwk]}).encode(), _ALGORITHMS).keys[0]
    except UnusableKeys:
        raise InvalidCredential("dpop_key") from None


def _same_target(htu: object, request: HttpRequest) -> bool:
    """Scheme, host and path, each canonical; the port is not compared, because Envoy's listener may be mapped."""
    if not isinstance(htu, str) or not htu.isascii():
        return False
    try:
        parts = urlsplit(htu)
        parts.port  # noqa: B018 - reading it checks it
        path, _ = split_target(parts.path or "/")
        host = canonical_host(parts.hostname or "")
    except (ValueError, InvalidRequest):
        return False
    if parts.query or parts.fragment or parts.username or "?" in htu or "#" in htu:
        return False
    return (parts.scheme.lower(), host, path) == (request.scheme or "https", request.host, request.path)

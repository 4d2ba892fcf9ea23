"""Verifying a JWT."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from sidecar.authentication.cache import Cache
from sidecar.authentication.http_client import HttpClient
from sidecar.authentication.jose.claims import ClaimsReader, Confirmation, Validity, confirmation_of
from sidecar.authentication.jose.front_door import FrontDoor
from sidecar.authentication.jose.key_source import KeySource
from sidecar.authentication.revoked_jwts import RevokedJwts
from sidecar.authentication.settings import IssuerSettings
from sidecar.authentication.throttle import FailureThrottle
from sidecar.errors import InvalidCredential
from sidecar.principal import Principal
from sidecar.request import HttpRequest

# What an honest client may run into, with a JWT that its issuer did sign.
_HONEST = frozenset({"jwt_expired", "jwt_not_yet_valid", "jwt_key_unknown", "jwt_keys_unavailable"})


@dataclass(frozen=True, slots=True)
class _Issuer:
    settings: IssuerSettings
    source: KeySource
    algorithms: frozenset[str]
    claims: ClaimsReader


class _Known(NamedTuple):
    principal: Principal
    validity: Validity
    issuer: _Issuer
    thumbprint: str
    confirmation: Confirmation | None


class Jwts:
    """JWTs of the configured issuers. One that was verified before costs a hash, its dates and its key's standing."""

    def __init__(
        self,
        issuers: tuple[IssuerSettings, ...],
        cache_entries: int,
        throttle: FailureThrottle,
        http: HttpClient,
        revoked: RevokedJwts,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._issuers = {
            settings.issuer: _Issuer(
                settings,
                KeySource(settings, http),
                frozenset(settings.algorithms),
                ClaimsReader(settings, "jwt", settings.max_lifetime),
            )
            for settings in issuers
        }
        self._door = FrontDoor()
        self._longest = max(settings.max_bytes for settings in issuers)
        self._throttle, self._revoked, self._clock = throttle, revoked, clock
        self._hash = partial(hashlib.blake2b, digest_size=16, key=os.urandom(32))
        self._known: Cache[bytes, _Known] = Cache(cache_entries)

    async def start(self) -> None:
        """Read the issuers' keys."""
        for issuer in self._issuers.values():
            await issuer.source.start()

    async def stop(self) -> None:
        """End the background work."""
        for issuer in self._issuers.values():
            await issuer.source.stop()

    def authenticate(self, value: str, request: HttpRequest) -> tuple[Principal, Confirmation | None]:
        """The principal that the JWT stands for, and the proof that it asks for besides.

        Raises InvalidCredential, TooManyFailures.
        """
        if len(value) > self._longest:
            self._throttle.count(request.client_ip)
            raise InvalidCredential("jwt_too_long")
        digest = self._hash(value.encode("ascii")).digest()
        known = self._known.get(digest)
        if known is None:
            self._throttle.check(request.client_ip)
            try:
                known = self._verify(value)
            except InvalidCredential as error:
                if error.code not in _HONEST:
                    self._throttle.count(request.client_ip)
                raise
            self._known.put(digest, known)
        else:
            self._check_again(known, digest)
        if self._revoked.covers(known.principal.issuer, known.validity):
            raise InvalidCredential("jwt_revoked")
        return known.principal, known.confirmation

    def _check_again(self, known: _Known, digest: bytes) -> None:
        now, keys = self._clock(), known.issuer.source.keys
        if not known.validity.not_before <= now < known.validity.not_after:
            self._known.discard(digest)
            raise InvalidCredential("jwt_expired")
        if keys is None or known.thumbprint not in keys.thumbprints:
            self._known.discard(digest)
            raise InvalidCredential("jwt_key_withdrawn")

    def _verify(self, value: str) -> _Known:
        header, claims, signed, signature = self._door.open(value, self._longest)
        name = claims.get("iss")
        issuer = self._issuers.get(name) if isinstance(name, str) else None
        if issuer is None:
            raise InvalidCredential("jwt_issuer")
        settings = issuer.settings
        if len(value) > settings.max_bytes:
            raise InvalidCredential("jwt_too_long")
        if header.algorithm not in issuer.algorithms:
            raise InvalidCredential("jwt_algorithm")
        if header.typ not in settings.types:
            raise InvalidCredential("jwt_typ")
        keys = issuer.source.keys
        if keys is None:
            issuer.source.want()
            raise InvalidCredential("jwt_keys_unavailable")
        key = keys.find(header.kid, header.algorithm)
        if key is None:
            issuer.source.want()
            raise InvalidCredential("jwt_key_unknown")
        if not key.verify(header.algorithm, signed, signature):
            raise InvalidCredential("jwt_signature")
        principal, validity = issuer.claims.read(claims, self._clock())
        confirmation = confirmation_of(claims) if "cnf" in claims else None
        return _Known(principal, validity, issuer, key.thumbprint, confirmation)

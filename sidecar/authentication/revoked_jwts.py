"""JWTs that must not be taken any more, although they have not expired."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from redis.asyncio import Redis

from sidecar.authentication.background import end
from sidecar.authentication.change_feed import ChangeFeed, ask
from sidecar.authentication.jose.claims import Validity
from sidecar.errors import StoreUnavailable

_log = structlog.get_logger()
_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """One revocation. Times are Unix seconds.

    `jti` names one JWT; with `subject` it is all of the subject's JWTs that were issued up to `issued_until`. The entry
    has no meaning after `until`, because everything it covers has expired by then.
    """

    issuer: str
    jti: str = ""
    subject: str = ""
    issued_until: int = 0
    until: int

    @property
    def field(self) -> str:
        """The entry's name in Redis."""
        return msgspec.json.encode([self.issuer, self.jti, self.subject]).decode()


class RevokedJwts:
    """The revocation list, whole in memory, followed through Redis; without Redis it stays empty.

    While Redis has never answered, no JWT counts as revoked: their own expiry bounds the harm.
    """

    def __init__(self, redis: Redis | None, prefix: str, clock: Callable[[], float] = time.time) -> None:
        self._redis: Any = redis
        self._key = f"{prefix}:revoked-jwts"
        self._feed = None if redis is None else ChangeFeed(redis, f"{prefix}:jwt-revocations")
        self._clock = clock
        self._jtis: dict[tuple[str, str], Revocation] = {}
        self._subjects: dict[tuple[str, str], Revocation] = {}
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._stale = asyncio.Event()

    def covers(self, issuer: str, validity: Validity) -> bool:
        """Whether a JWT with this validity has been revoked."""
        if self._jtis and (issuer, validity.jti) in self._jtis:
            return True
        if self._subjects:
            found = self._subjects.get((issuer, validity.subject))
            return found is not None and validity.issued_at <= found.issued_until
        return False

    async def revoke(self, entry: Revocation) -> None:
        """Write the entry down and tell every replica; raises StoreUnavailable."""
        assert self._feed is not None
        await ask(self._redis.hset, self._key, entry.field, msgspec.json.encode(entry))
        await self._feed.announce(msgspec.json.encode(entry).decode())
        await self._purge()

    async def all(self) -> list[Revocation]:
        """Every entry that still means something; raises StoreUnavailable."""
        found = await ask(self._redis.hvals, self._key)
        entries = [entry for value in found if (entry := _read(value)) is not None]
        return sorted((entry for entry in entries if entry.until > self._clock()), key=lambda entry: entry.until)

    async def start(self) -> None:
        """Follow the list in the background."""
        if self._feed is not None:
            self._stale.set()
            self._tasks = (
                asyncio.create_task(self._feed.follow(self._changed), name="revocations"),
                asyncio.create_task(self._reload(), name="revoked JWTs"),
            )

    async def stop(self) -> None:
        """End the background work and give back connections."""
        await end(self._tasks)
        if self._redis is not None:
            await self._redis.aclose()

    async def _reload(self) -> None:
        while True:
            await self._stale.wait()
            self._stale.clear()
            try:
                entries = await self.all()
            except StoreUnavailable:
                _log.warning("revocations_unavailable")
                self._stale.set()
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            self._jtis.clear()
            self._subjects.clear()
            for entry in entries:
                self._take(entry)

    def _changed(self, message: str | None) -> None:
        entry = None if message is None else _read(message.encode())
        if entry is None:
            self._stale.set()
        else:
            self._take(entry)

    def _take(self, entry: Revocation) -> None:
        if entry.jti:
            self._jtis[entry.issuer, entry.jti] = entry
        else:
            self._subjects[entry.issuer, entry.subject] = entry

    async def _purge(self) -> None:
        found = await ask(self._redis.hvals, self._key)
        entries = [entry for value in found if (entry := _read(value)) is not None]
        over = [entry.field for entry in entries if entry.until <= self._clock()]
        if over:
            await ask(self._redis.hdel, self._key, *over)


def _read(value: bytes) -> Revocation | None:
    try:
        return msgspec.json.decode(value, type=Revocation)
    except msgspec.MsgspecError:
        _log.error("revocation_damaged")
        return None

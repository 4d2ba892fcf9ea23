"""News between replicas, through Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from sidecar.errors import StoreUnavailable
from sidecar.redis_connection import RedisSettings

_log = structlog.get_logger()
_KEPT = 10_000
_POLL_MS = 500
_GRACE_SECONDS = 1.0
_RETRY_SECONDS = 0.25


def patient(settings: RedisSettings) -> RedisSettings:
    """The same Redis with a timeout that leaves room for blocking reads; commands have deadlines of their own."""
    return settings.model_copy(update={"timeout": max(settings.timeout, 2 * _POLL_MS / 1000 + _GRACE_SECONDS)})


async def ask(command: Callable[..., Awaitable[Any]], *arguments: Any, **options: Any) -> Any:
    """The answer to a Redis command that may be sent twice; raises StoreUnavailable."""
    try:
        try:
            return await command(*arguments, **options)
        except RedisConnectionError:  # a pooled connection may have died of old age
            return await command(*arguments, **options)
    except (RedisError, OSError, TimeoutError) as error:
        raise StoreUnavailable("redis_unavailable", f"Redis does not answer ({type(error).__name__})") from error


class ChangeFeed:
    """A stream of short messages that every replica reads with a blocking read.

    Unlike publish/subscribe nothing is lost with a connection: what was missed is read afterwards, and a connection
    that has died shows within two seconds. `confirmed_at` is the time (time.monotonic) up to which every message has
    been delivered.
    """

    def __init__(self, redis: Redis, stream: str) -> None:
        self._redis: Any = redis
        self._stream = stream
        self.confirmed_at = float("-inf")

    async def announce(self, message: str) -> None:
        """Tell every replica; raises StoreUnavailable."""
        await ask(self._redis.xadd, self._stream, {"message": message}, maxlen=_KEPT, approximate=True)

    async def follow(self, changed: Callable[[str | None], None]) -> None:
        """Call `changed` with each message, or with None when messages were lost; runs until cancelled."""
        last = b""
        lost = False
        while True:
            try:
                if not last or lost:
                    last = await self._resume(last, changed)
                    lost = False
                asked = time.monotonic()
                async with asyncio.timeout(_POLL_MS / 1000 + _GRACE_SECONDS):
                    answer = await self._redis.xread({self._stream: last}, block=_POLL_MS, count=1000)
                for _, entries in answer:
                    for entry_id, fields in entries:
                        changed(fields[b"message"].decode())
                        last = entry_id
                self.confirmed_at = asked
            except (RedisError, OSError, TimeoutError, StoreUnavailable) as error:
                if not lost:
                    _log.warning("changes_lost", error=type(error).__name__)
                lost = True
                await asyncio.sleep(_RETRY_SECONDS)

    async def _resume(self, last: bytes, changed: Callable[[str | None], None]) -> bytes:
        """Where to read on from; Redis may have been emptied, restored or trimmed in the meantime."""
        newest = await ask(self._redis.xrevrange, self._stream, count=1)
        oldest = await ask(self._redis.xrange, self._stream, count=1)
        end = newest[0][0] if newest else b"0-0"
        if not last:
            changed(None)
            return bytes(end)
        if _number(end) < _number(last) or (oldest and _number(oldest[0][0]) > _number(last) != (0, 0)):
            changed(None)
            return bytes(end)
        return last


def _number(entry_id: bytes) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition(b"-")
    return int(milliseconds), int(sequence)

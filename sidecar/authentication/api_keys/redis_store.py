"""API keys in Redis, shared by all replicas."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Any, TypeVar

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from sidecar.authentication.api_keys.store import Changed, Slot
from sidecar.errors import StoreUnavailable

_log = structlog.get_logger()
T = TypeVar("T")

_CHANGES_KEPT = 10_000
_POLL_MS = 500
_RETRY_SECONDS = 0.25

# KEYS: record. ARGV: expected value ("" = absent), new value ("" = delete). Result: 1 written, 0 it was another one.
_REPLACE = """
local now = redis.call('GET', KEYS[1]) or ''
if now ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2]) end
return 1
"""


class RedisKeyStore:
    """Records are strings, found by key id alone; every command touches one Redis key, so that Cluster works too.

    Changes go through a stream, which every replica reads with a blocking read: news arrives at once, what was missed
    while a connection was lost is read afterwards, and a dead connection shows within a second.
    """

    name = "the key store in Redis"

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis: Any = redis
        self._prefix = prefix
        self._ids, self._slots = f"{prefix}:keys", f"{prefix}:key-slots"
        self._stream, self._used = f"{prefix}:key-changes", f"{prefix}:key-last-used"
        self.confirmed_at = float("-inf")

    def _key(self, key_id: str) -> str:
        return f"{self._prefix}:key:{key_id}"

    async def get(self, key_id: str) -> bytes | None:
        """See KeyStore."""
        return await _answer(self._redis.get(self._key(key_id)))

    async def replace(self, key_id: str, new: bytes | None, expected: bytes | None) -> bool:
        """See KeyStore."""
        if new is not None:  # first of all, so that no key works that no list shows
            await _answer(self._redis.zadd(self._ids, {key_id: time.time()}, nx=True))
        written = await _answer(self._redis.eval(_REPLACE, 1, self._key(key_id), expected or b"", new or b""))
        if not written:
            return False
        if new is None:
            await _answer(self._redis.zrem(self._ids, key_id))
            await _answer(self._redis.hdel(self._used, key_id))
        await self._announce(key_id)
        return True

    async def ids(self) -> AsyncIterator[str]:
        """See KeyStore."""
        cursor = 0
        while True:
            cursor, found = await _answer(self._redis.zscan(self._ids, cursor, count=500))
            for key_id, _ in found:
                yield key_id.decode()
            if cursor == 0:
                return

    async def slots(self) -> tuple[Slot, ...]:
        """See KeyStore."""
        found = await _answer(self._redis.hvals(self._slots))
        try:
            return tuple(msgspec.json.decode(value, type=Slot) for value in found)
        except msgspec.MsgspecError as error:
            raise StoreUnavailable("key_store_damaged", f"{self.name}: a slot is damaged") from error

    async def add_slot(self, slot: Slot) -> bool:
        """See KeyStore."""
        return bool(await _answer(self._redis.hsetnx(self._slots, slot.id, msgspec.json.encode(slot))))

    async def replace_slot(self, slot: Slot) -> None:
        """See KeyStore."""
        await _answer(self._redis.hset(self._slots, slot.id, msgspec.json.encode(slot)))

    async def remove_slot(self, slot_id: str) -> None:
        """See KeyStore."""
        await _answer(self._redis.hdel(self._slots, slot_id))
        await self._announce("")

    async def touch(self, used: Mapping[str, int]) -> None:
        """See KeyStore."""
        if used:
            await _answer(self._redis.hset(self._used, mapping=dict(used)))

    async def last_used(self, key_ids: tuple[str, ...]) -> dict[str, int]:
        """See KeyStore."""
        if not key_ids:
            return {}
        found = await _answer(self._redis.hmget(self._used, list(key_ids)))
        return {key_id: int(when) for key_id, when in zip(key_ids, found, strict=True) if when is not None}

    async def watch(self, changed: Changed) -> None:
        """See KeyStore."""
        last, lost = b"", False
        while True:
            try:
                if not last or lost:
                    newest = await self._newest_change()
                    if last and (newest < _number(last) or await self._has_gap(last)):
                        changed(None)  # Redis has forgotten what happened in between
                        last = b""
                    last = last or _text(newest)
                    lost = False
                asked = time.monotonic()
                async with asyncio.timeout(_POLL_MS / 1000 + 1.0):
                    answer = await self._redis.xread({self._stream: last}, block=_POLL_MS, count=1000)
                for _, entries in answer:
                    for entry_id, fields in entries:
                        changed(fields[b"key"].decode() or None)
                        last = entry_id
                self.confirmed_at = asked
            except (RedisError, OSError, TimeoutError) as error:
                if not lost:
                    _log.warning("key_changes_lost", error=type(error).__name__)
                lost = True
                await asyncio.sleep(_RETRY_SECONDS)

    async def close(self) -> None:
        """See KeyStore."""
        await self._redis.aclose()

    async def _announce(self, key_id: str) -> None:
        fields = {"key": key_id}
        await _answer(self._redis.xadd(self._stream, fields, maxlen=_CHANGES_KEPT, approximate=True))

    async def _newest_change(self) -> tuple[int, int]:
        entries = await _answer(self._redis.xrevrange(self._stream, count=1))
        return _number(entries[0][0]) if entries else (0, 0)

    async def _has_gap(self, last: bytes) -> bool:
        oldest = await _answer(self._redis.xrange(self._stream, count=1))
        return bool(oldest) and _number(oldest[0][0]) > _number(last)


async def _answer(call: Awaitable[T]) -> T:
    try:
        return await call
    except (RedisError, OSError, TimeoutError) as error:
        raise StoreUnavailable("key_store_unavailable", type(error).__name__) from error


def _number(entry_id: bytes) -> tuple[int, int]:
    milliseconds, _, sequence = entry_id.partition(b"-")
    return int(milliseconds), int(sequence)


def _text(number: tuple[int, int]) -> bytes:
    return b"%d-%d" % number

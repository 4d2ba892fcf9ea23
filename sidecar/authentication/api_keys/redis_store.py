"""API keys in Redis, shared by all replicas."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
from redis.asyncio import Redis

from sidecar.authentication.api_keys.store import Changed, Slot
from sidecar.authentication.change_feed import ChangeFeed, ask
from sidecar.errors import StoreUnavailable

# KEYS: record. ARGV: expected value ("" = absent), new value ("" = delete). Result: 1 written, 0 it was another one.
_REPLACE = """
local now = redis.call('GET', KEYS[1]) or ''
if now ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2]) end
return 1
"""


class RedisKeyStore:
    """Records are strings, found by key id alone; every command touches one Redis key, so that Cluster works too.

    Changes are announced on a ChangeFeed.
    """

    name = "the key store in Redis"

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis: Any = redis
        self._prefix = prefix
        self._ids, self._slots = f"{prefix}:keys", f"{prefix}:key-slots"
        self._used = f"{prefix}:key-last-used"
        self._feed = ChangeFeed(redis, f"{prefix}:key-changes")

    @property
    def confirmed_at(self) -> float:
        """See KeyStore."""
        return self._feed.confirmed_at

    def _key(self, key_id: str) -> str:
        return f"{self._prefix}:key:{key_id}"

    async def get(self, key_id: str) -> bytes | None:
        """See KeyStore."""
        sealed: bytes | None = await ask(self._redis.get, self._key(key_id))
        return sealed

    async def replace(self, key_id: str, new: bytes | None, expected: bytes | None) -> bool:
        """See KeyStore."""
        if new is not None:  # first of all, so that no key works that no list shows
            await ask(self._redis.zadd, self._ids, {key_id: time.time()}, nx=True)
        written = await ask(self._redis.eval, _REPLACE, 1, self._key(key_id), expected or b"", new or b"")
        if not written:
            return False
        if new is None:
            await ask(self._redis.zrem, self._ids, key_id)
            await ask(self._redis.hdel, self._used, key_id)
        await self._feed.announce(key_id)
        return True

    async def ids(self) -> AsyncIterator[str]:
        """See KeyStore."""
        cursor = 0
        while True:
            cursor, found = await ask(self._redis.zscan, self._ids, cursor, count=500)
            for key_id, _ in found:
                yield key_id.decode()
            if cursor == 0:
                return

    async def slots(self) -> tuple[Slot, ...]:
        """See KeyStore."""
        found = await ask(self._redis.hvals, self._slots)
        try:
            return tuple(msgspec.json.decode(value, type=Slot) for value in found)
        except msgspec.MsgspecError as error:
            raise StoreUnavailable("key_store_damaged", f"{self.name}: a slot is damaged") from error

    async def add_slot(self, slot: Slot) -> bool:
        """See KeyStore."""
        return bool(await ask(self._redis.hsetnx, self._slots, slot.id, msgspec.json.encode(slot)))

    async def replace_slot(self, slot: Slot) -> None:
        """See KeyStore."""
        await ask(self._redis.hset, self._slots, slot.id, msgspec.json.encode(slot))

    async def remove_slot(self, slot_id: str) -> None:
        """See KeyStore."""
        await ask(self._redis.hdel, self._slots, slot_id)
        await self._feed.announce("")

    async def touch(self, used: Mapping[str, int]) -> None:
        """See KeyStore."""
        if used:
            await ask(self._redis.hset, self._used, mapping=dict(used))

    async def last_used(self, key_ids: tuple[str, ...]) -> dict[str, int]:
        """See KeyStore."""
        if not key_ids:
            return {}
        found = await ask(self._redis.hmget, self._used, list(key_ids))
        return {key_id: int(when) for key_id, when in zip(key_ids, found, strict=True) if when is not None}

    async def watch(self, changed: Changed) -> None:
        """See KeyStore."""
        await self._feed.follow(lambda message: changed(message or None))

    async def close(self) -> None:
        """See KeyStore."""
        await self._redis.aclose()

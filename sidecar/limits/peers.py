"""Peers: the other replicas, as far as Redis tells of them."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from redis.exceptions import RedisError

from sidecar.redis_connection import Connection, next_message

_SCRIPT = files("sidecar.limits").joinpath("replicas.lua").read_text(encoding="utf-8")
_BEAT_SECONDS = 2.0
_LOST_SECONDS = 3 * _BEAT_SECONDS
_AGAIN_SECONDS = 1.0
_SILENCE_SECONDS = 2.0


class Peers:
    """Counts the replicas that share an installation's buckets, and carries word of refunds between them."""

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._connection = connection
        self._client: Any = connection.client
        self._replicas = f"{prefix}:replicas"
        self._channel = f"{prefix}:returned"
        self._id = secrets.token_hex(8)
        self._tasks: set[asyncio.Task[Any]] = set()

    async def count(self, found: Callable[[int], None]) -> None:
        """Say that this replica is there, and tell `found` how many are; for ever."""
        while True:
            with contextlib.suppress(RedisError, OSError):
                found(int(await self._beat(_LOST_SECONDS)))
            await asyncio.sleep(_BEAT_SECONDS)

    async def follow(self, returned: Callable[[str], None], heard: Callable[[bool], None]) -> None:
        """Tell `returned` the key of every bucket that another replica gives units back to, and `heard` whether such
        word arrives at all; for ever."""
        while True:
            with contextlib.suppress(RedisError, OSError):
                async with self._connection.listener() as listener:
                    await listener.subscribe(self._channel)
                    while True:
                        message = await next_message(listener, _SILENCE_SECONDS)
                        if message["type"] == "subscribe":
                            heard(True)
                        elif message["type"] == "message":
                            returned(message["data"].decode())
            heard(False)
            await asyncio.sleep(_AGAIN_SECONDS)

    def tell(self, key: str) -> None:
        """Let the others know that units have come back to a bucket."""
        task = asyncio.get_running_loop().create_task(self._publish(key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Be no longer counted, and close the connections."""
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self._client.execute_command("ZREM", self._replicas, self._id)
        await self._connection.close()

    async def _beat(self, lost_seconds: float) -> Any:
        return await self._client.execute_command("EVAL", _SCRIPT, 1, self._replicas, self._id, lost_seconds)

    async def _publish(self, key: str) -> None:
        with contextlib.suppress(RedisError, OSError):
            await self._client.execute_command("PUBLISH", self._channel, key)

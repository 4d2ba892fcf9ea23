"""One way to reach Redis, for everything that keeps state there."""

from __future__ import annotations

from pydantic import Field
from redis.asyncio import Redis

from sidecar.settings import Settings


class RedisSettings(Settings):
    """Where Redis is, and how the keys of this installation start."""

    url: str = Field(description="redis://, rediss:// or unix:// URL with user, password and database")
    prefix: str = Field(default="portcullis", pattern=r"^[a-z0-9-]{1,32}$", description="start of every key")


def connect(settings: RedisSettings) -> Redis:
    """A client that connects at first use; raises nothing while Redis is down."""
    return Redis.from_url(settings.url)

"""One way to reach Redis, for everything that keeps state there."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator, model_validator
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError  # noqa: A004 - Redis's own

from sidecar.errors import ConfigurationError
from sidecar.settings import Duration, Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio.client import PubSub

_SCHEMES = ("redis", "rediss", "unix")


class SentinelSettings(Settings):
    """The Sentinels that know which node is the primary."""

    name: str = Field(min_length=1, description="the name under which they watch the primary")
    nodes: tuple[str, ...] = Field(min_length=1, description="HOST:PORT of each Sentinel")
    username: str | None = Field(default=None, description="ACL user at the Sentinels")
    password_file: Path | None = Field(default=None, description="file with the password at the Sentinels")

    @field_validator("nodes")
    @classmethod
    def _addresses(cls, nodes: tuple[str, ...]) -> tuple[str, ...]:
        for node in nodes:
            _address(node)
        return nodes

    @field_validator("password_file")
    @classmethod
    def _beside(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        return _beside_the_configuration(path, info)


class RedisSettings(Settings):
    """Where Redis is, and how the keys of this installation start."""

    url: str = Field(
        description="redis://, rediss:// (TLS) or unix:// URL with user, password and database; with `sentinel` only "
        "its user, database and scheme count, with `cluster` it is the first node to ask"
    )
    prefix: str = Field(default="portcullis", pattern=r"^[a-z0-9-]{1,32}$", description="start of every key")
    password_file: Path | None = Field(default=None, description="file with the password, instead of one in the URL")
    ca_file: Path | None = Field(default=None, description="certificates that the server's one is verified against")
    cert_file: Path | None = Field(default=None, description="client certificate with its key, PEM")
    sentinel: SentinelSettings | None = Field(default=None, description="find the primary through Sentinels")
    cluster: bool = Field(default=False, description="the URL leads to a Redis Cluster")
    timeout: Duration = Field(default=1.0, gt=0, le=60, description="longest wait for one reply of Redis")

    @field_validator("url")
    @classmethod
    def _readable(cls, url: str) -> str:
        scheme = urlsplit(url).scheme
        if scheme not in _SCHEMES:
            raise ValueError("is not a redis://, rediss:// or unix:// URL")
        try:
            parse_url(url)
        except ValueError:
            raise ValueError("is no URL of Redis; write redis://USER:PASSWORD@HOST:PORT/DATABASE") from None
        return url

    @field_validator("password_file", "ca_file", "cert_file")
    @classmethod
    def _beside(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        return _beside_the_configuration(path, info)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        scheme = urlsplit(self.url).scheme
        if self.cluster and self.sentinel:
            raise ValueError("cluster and sentinel exclude each other")
        if scheme == "unix" and (self.cluster or self.sentinel):
            raise ValueError("a unix:// URL leads to one node only; write redis:// or rediss://")
        if (self.ca_file or self.cert_file) and scheme != "rediss":
            raise ValueError("ca_file and cert_file need a rediss:// URL")
        return self


def connect(settings: RedisSettings) -> Redis:
    """A client that connects at first use; raises nothing while Redis is down.

    A command is sent once: whoever sends it knows whether it may be repeated. Raises ConfigurationError when a file
    that the settings name can't be read.
    """
    options = _options(settings)
    if settings.cluster:
        where = parse_url(settings.url)
        node = ClusterNode(where.get("host", "localhost"), where.get("port", 6379))
        # A cluster has database 0 only. The client has the commands of a single one's.
        return cast("Redis", RedisCluster(startup_nodes=[node], **{k: v for k, v in options.items() if k != "db"}))
    if settings.sentinel is not None:
        return _through_sentinels(settings.sentinel, options)
    return Redis(**options, **_socket(settings.url), max_connections=64)


class Connection:
    """A client for commands, and listeners for what others publish."""

    def __init__(self, settings: RedisSettings) -> None:
        self._settings = settings
        self.client = connect(settings)

    @asynccontextmanager
    async def listener(self) -> AsyncIterator[PubSub]:
        """A subscription of its own; in a cluster any node carries what is published anywhere."""
        client = self.client
        if self._settings.cluster:
            cluster = cast("RedisCluster", client)
            await cluster.initialize()
            node = cluster.get_random_node()
            options = {key: value for key, value in _options(self._settings).items() if key != "db"}
            client = Redis(host=node.host, port=int(node.port), **options)
        async with client.pubsub() as listener:
            try:
                yield listener
            finally:
                if client is not self.client:
                    await client.aclose()

    async def close(self) -> None:
        """Close every connection, those to the Sentinels included."""
        await self.client.aclose()
        if self._settings.sentinel is not None:
            pool = cast("SentinelConnectionPool", self.client.connection_pool)
            for watcher in pool.sentinel_manager.sentinels:
                await watcher.aclose()


async def next_message(listener: PubSub, seconds: float) -> dict[str, Any]:
    """The next message, a ping's answer included; ConnectionError when the other end is silent for twice `seconds`."""
    message = await listener.get_message(timeout=seconds)
    if message is None:
        await listener.ping()
        message = await listener.get_message(timeout=seconds)
        if message is None:
            raise ConnectionError("no answer to a ping")
    return cast("dict[str, Any]", message)


def _options(settings: RedisSettings) -> dict[str, Any]:
    where = parse_url(settings.url)
    options: dict[str, Any] = {
        "username": where.get("username"),
        "password": _secret(settings.password_file) or where.get("password"),
        "db": where.get("db", 0),
        "socket_timeout": settings.timeout,
        "socket_connect_timeout": settings.timeout,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "driver_info": None,
    }
    if urlsplit(settings.url).scheme == "rediss":
        options |= {
            "ssl": True,
            "ssl_min_version": ssl.TLSVersion.TLSv1_2,
            "ssl_ca_certs": _file(settings.ca_file),
            "ssl_certfile": _file(settings.cert_file),
        }
    return options


def _socket(url: str) -> dict[str, Any]:
    where = parse_url(url)
    if "path" in where:
        return {"unix_socket_path": where["path"]}
    return {"host": where.get("host", "localhost"), "port": where.get("port", 6379)}


def _through_sentinels(sentinel: SentinelSettings, options: dict[str, Any]) -> Redis:
    own = {key: value for key, value in options.items() if key not in {"username", "password", "db"}}
    own |= {"username": sentinel.username, "password": _secret(sentinel.password_file)}
    watchers = Sentinel([_address(node) for node in sentinel.nodes], sentinel_kwargs=own, **options)  # type: ignore[no-untyped-call]
    return cast("Redis", watchers.master_for(sentinel.name, max_connections=64))


def _address(node: str) -> tuple[str, int]:
    host, _, port = node.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise ValueError(f"{node!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def _secret(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(str(path), "", "can't be read", "mount the file that holds the password") from None


def _file(path: Path | None) -> str | None:
    if path is not None and not path.is_file():
        raise ConfigurationError(str(path), "", "is not there")
    return None if path is None else str(path)


def _beside_the_configuration(path: Path | None, info: ValidationInfo) -> Path | None:
    folder = (info.context or {}).get("folder")
    return path if path is None or folder is None or path.is_absolute() else Path(folder) / path

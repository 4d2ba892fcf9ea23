from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidecar.redis_connection import RedisSettings
from tests.harness import redis_server
from tests.harness.redis_server import RedisServer


@pytest.fixture(autouse=True)
def _master_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTCULLIS_MASTER_KEY", base64.b64encode(bytes(range(32))).decode())


@pytest.fixture(scope="module")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server.single(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis(shared_redis: RedisServer) -> RedisServer:
    with shared_redis.client() as client:
        client.flushall()
    return shared_redis


@pytest.fixture
def redis_settings(redis: RedisServer) -> RedisSettings:
    return RedisSettings(url=redis.url)


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of this test's own, to be maltreated."""
    with redis_server.single(tmp_path) as server:
        yield server

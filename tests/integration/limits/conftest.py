"""One real Redis for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness import redis_server


@pytest.fixture(scope="session")
def redis_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis_server.RedisServer]:
    with redis_server.single(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis_server.RedisCluster]:
    with redis_server.cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster

"""The real Redis servers that other tests lean on."""

from pathlib import Path

from tests.harness import redis_server


def test_a_restarted_node_comes_back_empty_on_the_same_port(tmp_path: Path) -> None:
    with redis_server.single(tmp_path) as server:
        assert server.client().set("key", "value")
        url = server.url
        server.restart()
        assert server.url == url
        assert server.client().get("key") is None


def test_a_killed_primary_is_replaced_by_its_replica(tmp_path: Path) -> None:
    with redis_server.sentinel(tmp_path) as watched:
        assert watched.primary_port() == watched.primary.port
        watched.primary.kill()
        watched.wait_for_failover()
        assert watched.primary_port() == watched.replica.port

"""The same limits over Redis Cluster, Sentinel, TLS, an ACL user and a Unix socket."""

from __future__ import annotations

import asyncio
import gc
import itertools
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import ValidationError
from redis.crc import key_slot

from sidecar.errors import ConfigurationError
from sidecar.limits import BucketSettings, Limiter, open_limiter
from sidecar.limits.cluster_store import ClusterStore
from sidecar.limits.limit import Charge, Limit
from sidecar.limits.order import Order
from sidecar.limits.redis_store import RedisStore
from sidecar.metrics import Metrics
from sidecar.redis_connection import RedisSettings, connect
from tests.harness import redis_server
from tests.harness.bucket_model import Model
from tests.harness.bucket_strategies import takes
from tests.harness.redis_server import RedisCluster, RedisServer

DAILY = Limit("daily", 100, 86_400_000_000, 100)
_examples = itertools.count()


@asynccontextmanager
async def limiter(settings: RedisSettings, **options: object) -> AsyncIterator[Limiter]:
    buckets = BucketSettings.model_validate({"deadline": "100ms", "replicas": 1, **options})
    made = open_limiter(buckets, settings, Metrics())
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


@contextmanager
def abandoned_connections() -> Iterator[None]:
    """redis-py drops its connections to a node of a cluster that has gone without closing them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


async def shared(limiter: Limiter, charge: Charge) -> int:
    """What Redis says is left, as soon as it answers."""
    async with asyncio.timeout(20):
        while True:
            taken = await limiter.take([charge])
            if not taken.degraded:
                return taken.statuses[0].remaining
            await asyncio.sleep(0.05)


def slot(charge: Charge) -> int:
    return int(key_slot(f"portcullis:b:{charge.key}".encode()))


@given(history=takes())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_slot_of_a_cluster_answers_like_the_model(redis_cluster: RedisCluster, history: list[list[Charge]]) -> None:
    async def run() -> None:
        client = connect(RedisSettings(url=redis_cluster.url, cluster=True))
        store, model = ClusterStore(RedisStore(client, f"test{next(_examples)}")), Model()
        for charges in history:
            (outcome,) = await store.take([Order(charges)])
            taken = outcome.taken
            over = [status.over for status in taken.statuses]
            expected = model.take(charges, outcome.now_us)
            assert (taken.admitted, over, [s.remaining for s in taken.statuses]) == expected
        await client.aclose()

    asyncio.run(run())


async def test_a_take_over_several_slots_is_undone_where_one_refuses(redis_cluster: RedisCluster) -> None:
    redis_cluster.flush()
    keys = [Charge(DAILY, f"{{{letter}}}:k") for letter in "abcdef"]
    nodes = {next(i for i in range(3) if slot(charge) in redis_cluster.slots(i)) for charge in keys}
    assert nodes == {0, 1, 2}
    empty = Charge(Limit("once", 1, 86_400_000_000, 1), "{z}:once")
    async with limiter(RedisSettings(url=redis_cluster.url, cluster=True)) as made:
        assert (await made.take([*keys, empty])).admitted
        refusals = [await made.take([*keys, empty]) for _ in range(1)]
        refusals += await asyncio.gather(*(made.take([*keys, Charge(empty.limit, "{z}:once", 1)]) for _ in range(10)))
        assert not any(taken.admitted for taken in refusals)
        for charge in keys:
            assert await shared(made, Charge(DAILY, charge.key, 0)) == 99


async def test_quotas_over_several_slots_refuse_only_together(redis_cluster: RedisCluster) -> None:
    redis_cluster.flush()
    one = Limit("quota", 1, 86_400_000_000, 1)
    quotas = [Charge(one, f"{{{letter}}}:q", quota=True) for letter in "abc"]
    async with limiter(RedisSettings(url=redis_cluster.url, cluster=True)) as made:
        assert (await made.take([quotas[0]])).admitted
        taken = await made.take(quotas)
        assert (taken.admitted, [status.over for status in taken.statuses]) == (True, [True, False, False])
        assert not (await made.take(quotas)).admitted


async def test_concurrent_takes_over_slots_never_exceed_the_burst(redis_cluster: RedisCluster) -> None:
    redis_cluster.flush()
    charges = [Charge(DAILY, "{a}:k"), Charge(DAILY, "{b}:k"), Charge(DAILY, "{c}:k")]
    settings = RedisSettings(url=redis_cluster.url, cluster=True)
    async with limiter(settings) as one, limiter(settings) as other:
        takes = await asyncio.gather(*(made.take(charges) for _ in range(100) for made in (one, other)))
    admitted = [taken for taken in takes if taken.admitted]
    assert not any(taken.degraded for taken in admitted)
    assert 90 <= len(admitted) <= 100


async def test_a_moved_slot_is_followed(tmp_path: Path) -> None:
    with abandoned_connections(), redis_server.cluster(tmp_path) as cluster:
        charge = Charge(DAILY, "{a}:k")
        number = slot(charge)
        source = next(i for i in range(3) if number in cluster.slots(i))
        target = (source + 1) % 3
        async with limiter(RedisSettings(url=cluster.url, cluster=True)) as made:
            assert await shared(made, charge) == 99
            ids = [node.client().execute_command("CLUSTER", "MYID") for node in cluster.nodes]
            cluster.nodes[target].client().execute_command("CLUSTER", "SETSLOT", number, "IMPORTING", ids[source])
            cluster.nodes[source].client().execute_command("CLUSTER", "SETSLOT", number, "MIGRATING", ids[target])
            port = cluster.nodes[target].port
            cluster.nodes[source].client().execute_command(
                "MIGRATE", "127.0.0.1", port, "portcullis:b:{a}:k", 0, 5000, "REPLACE"
            )
            for node in cluster.nodes:
                node.client().execute_command("CLUSTER", "SETSLOT", number, "NODE", ids[target])
            assert await shared(made, charge) == 98


async def test_a_lost_node_takes_only_its_own_slots_down(tmp_path: Path) -> None:
    with abandoned_connections(), redis_server.cluster(tmp_path) as cluster:
        for node in cluster.nodes:
            node.client().config_set("cluster-require-full-coverage", "no")
        charges = [Charge(DAILY, f"{{{letter}}}:k") for letter in "abcdef"]
        lost = {index: [c for c in charges if slot(c) in cluster.slots(index)] for index in range(3)}
        async with limiter(RedisSettings(url=cluster.url, cluster=True), deadline="20ms") as made:
            for charge in charges:
                assert await shared(made, charge) == 99
            cluster.nodes[2].kill()
            for charge in lost[0] + lost[1]:
                assert await shared(made, charge) == 98
            assert (await made.take([lost[2][0]])).degraded


async def test_a_cluster_that_is_down_is_a_degraded_answer(tmp_path: Path) -> None:
    with abandoned_connections(), redis_server.cluster(tmp_path) as cluster:
        charge = next(c for c in (Charge(DAILY, f"{{{n}}}:k") for n in range(99)) if slot(c) in cluster.slots(0))
        metrics = Metrics()
        made = open_limiter(
            BucketSettings(deadline=0.5, replicas=1), RedisSettings(url=cluster.url, cluster=True), metrics
        )
        assert (await made.take([charge])).admitted
        cluster.nodes[2].kill()
        first = cluster.nodes[0].client()
        redis_server.wait_until(
            lambda: "cluster_state:fail" in str(first.execute_command("CLUSTER", "INFO")), "the cluster to be down"
        )
        taken = await made.take([charge])
        assert taken.degraded
        assert taken.admitted
        assert set(metrics.store_failures.values) <= {("store_cluster_down",), ("store_deadline",), ("store_error",)}
        await made.stop()


async def test_a_failover_is_followed(tmp_path: Path) -> None:
    with redis_server.sentinel(tmp_path) as watched:
        nodes = [f"127.0.0.1:{one.port}" for one in watched.sentinels]
        settings = RedisSettings.model_validate(
            {"url": "redis://ignored/0", "sentinel": {"name": watched.name, "nodes": nodes}}
        )
        async with limiter(settings, replicas=2) as made:
            assert await shared(made, Charge(DAILY, "{a}:k", 40)) == 60
            redis_server.wait_until(
                lambda: watched.replica.client().get("portcullis:b:{a}:k") is not None, "the replica to follow"
            )
            watched.primary.kill()
            takes = [await made.take([Charge(DAILY, "{a}:k")]) for _ in range(60)]
            assert sum(taken.admitted for taken in takes) <= 31  # half of what was left, and nothing anew
            watched.wait_for_failover()
            await shared(made, Charge(DAILY, "{a}:k", 0))
            left = 60 - sum(taken.admitted for taken in takes)
            async with asyncio.timeout(10):
                while await shared(made, Charge(DAILY, "{a}:k", 0)) > left:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.05)


async def test_a_unix_socket_an_acl_user_and_a_database(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("s3cret\n")
    allowed = "eval evalsha time get set del zadd zremrangebyscore zcard zrem expire publish subscribe unsubscribe ping"
    commands = " ".join(f"+{command}" for command in (*allowed.split(), "select"))
    rules = (
        "user default off",
        f"user limiter on >s3cret ~portcullis:* resetchannels &portcullis:* {commands}",
    )
    with redis_server.single(tmp_path, *rules) as node:
        settings = RedisSettings(url=f"unix://limiter@{node.socket}?db=3", password_file=secret)
        async with limiter(settings) as made:
            assert await shared(made, Charge(DAILY, "{a}:k")) == 99
            assert await shared(made, Charge(DAILY, "{a}:k", -1)) == 100
        wrong = RedisSettings(url=f"unix://limiter:wrong@{node.socket}")
        async with limiter(wrong) as made:
            assert (await made.take([Charge(DAILY, "{a}:k")])).degraded


async def test_prefixes_keep_installations_apart(redis_node: RedisServer) -> None:
    charge = Charge(DAILY, "{a}:k", 100)
    for prefix in ("one", "two"):
        async with limiter(RedisSettings(url=redis_node.url, prefix=prefix)) as made:
            assert (await made.take([charge])).admitted


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"url": "http://localhost"}, "is not a redis://"),
        ({"url": "redis://localhost:port"}, "is no URL of Redis"),
        ({"url": "redis://h", "cluster": True, "sentinel": {"name": "n", "nodes": ["h:1"]}}, "exclude each other"),
        ({"url": "unix:///x", "cluster": True}, "leads to one node"),
        ({"url": "redis://h", "ca_file": "/x"}, "need a rediss:// URL"),
        ({"url": "redis://h", "sentinel": {"name": "n", "nodes": ["h"]}}, "is not HOST:PORT"),
        ({"url": "redis://h", "prefix": "a:b"}, "should match pattern"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        RedisSettings.model_validate(settings)


@pytest.mark.parametrize("field", ["password_file", "ca_file"])
def test_a_missing_file_is_named(field: str, tmp_path: Path) -> None:
    settings = RedisSettings.model_validate({"url": "rediss://h", field: tmp_path / "none"})
    with pytest.raises(ConfigurationError, match="none"):
        connect(settings)

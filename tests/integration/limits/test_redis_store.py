"""The Redis store against the reference model, on a real Redis and its clock."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from redis.asyncio import Redis

from sidecar.limits.limit import Algorithm, Charge, Limit
from sidecar.limits.order import Order
from sidecar.limits.redis_store import RedisStore
from tests.harness.bucket_model import Model
from tests.harness.bucket_strategies import takes
from tests.harness.redis_server import RedisServer

_examples = itertools.count()


@pytest.fixture
async def client(redis_node: RedisServer) -> AsyncIterator[Redis]:
    client = Redis.from_url(redis_node.url)
    yield client
    await client.aclose()


def fresh(client: Redis) -> RedisStore:
    """A store that shares no key with another."""
    return RedisStore(client, f"test{next(_examples)}")


@given(history=takes())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_answer_is_that_of_the_model(redis_node: RedisServer, history: list[list[Charge]]) -> None:
    async def run() -> None:
        async with Redis.from_url(redis_node.url) as client:
            store, model = fresh(client), Model()
            for charges in history:
                (outcome,) = await store.take([Order(charges)])
                taken = outcome.taken
                over = [status.over for status in taken.statuses]
                expected = model.take(charges, outcome.now_us)
                assert (taken.admitted, over, [s.remaining for s in taken.statuses]) == expected

    asyncio.run(run())


@given(history=takes())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_batch_is_the_same_as_its_takes_one_by_one(redis_node: RedisServer, history: list[list[Charge]]) -> None:
    async def run() -> None:
        async with Redis.from_url(redis_node.url) as client:
            store, model = fresh(client), Model()
            outcomes = await store.take([Order(charges) for charges in history])
            assert len({outcome.now_us for outcome in outcomes}) == 1
            for charges, outcome in zip(history, outcomes, strict=True):
                admitted, over, _ = model.take(charges, outcome.now_us)
                assert (outcome.taken.admitted, [s.over for s in outcome.taken.statuses]) == (admitted, over)

    asyncio.run(run())


async def test_concurrent_takes_never_exceed_the_burst(client: Redis) -> None:
    store = fresh(client)
    charge = Charge(Limit("daily", 1000, 86_400_000_000, 1000), "k")
    outcomes = await asyncio.gather(*(store.take([Order([charge])] * 25) for _ in range(80)))
    assert sum(outcome.taken.admitted for batch in outcomes for outcome in batch) == 1000


async def test_a_full_bucket_leaves_no_key(client: Redis) -> None:
    store = RedisStore(client, "trace")
    limit = Limit("quick", 1000, 1_000_000, 1000)
    await store.take([Order([Charge(limit, "k", 20)])])
    assert 0 < await client.pttl("trace:b:k") <= 21
    await store.take([Order([Charge(limit, "k", -20)])])
    assert not await client.exists("trace:b:k")


async def test_a_fixed_window_ends_on_the_calendar(client: Redis) -> None:
    store = fresh(client)
    limit = Limit("window", 3, 250_000, 3, algorithm=Algorithm.FIXED_WINDOW)
    admitted: dict[int, int] = {}
    while len(admitted) < 4:
        (outcome,) = await store.take([Order([Charge(limit, "k")])])
        window = outcome.now_us // 250_000
        admitted[window] = admitted.get(window, 0) + outcome.taken.admitted
        assert outcome.taken.statuses[0].reset_us == 250_000 - outcome.now_us % 250_000
        await asyncio.sleep(0.001)
    assert list(admitted.values())[1:-1] == [3, 3]  # the first may have been joined late; the last has just begun


async def test_a_script_that_redis_forgot_is_sent_again(client: Redis) -> None:
    store = fresh(client)
    charge = Charge(Limit("l", 5, 60_000_000, 5), "k")
    await store.take([Order([charge])])
    await client.script_flush()
    (outcome,) = await store.take([Order([charge])])
    assert outcome.taken.statuses[0].remaining == 3


async def test_a_stranger_at_a_bucket_s_key_counts_as_a_new_bucket(client: Redis) -> None:
    store = RedisStore(client, "stranger")
    await client.set("stranger:b:k", "not a bucket")
    (outcome,) = await store.take([Order([Charge(Limit("l", 5, 60_000_000, 5), "k")])])
    assert outcome.taken.admitted
    assert outcome.taken.statuses[0].remaining == 4

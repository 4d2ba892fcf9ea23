"""The limiter over a real Redis: shared buckets, leases, and every way in which Redis can fail."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sidecar.limits import BucketSettings, Limiter, open_limiter
from sidecar.limits.limit import Charge, Limit, OnStoreFailure
from sidecar.metrics import Metrics
from sidecar.redis_connection import RedisSettings
from tests.harness import redis_server
from tests.harness.redis_server import RedisServer

DAILY = Limit("daily", 100, 86_400_000_000, 100)
BUSY = Limit("busy", 10_000, 1_000_000, 10_000)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RedisServer]:
    """A server of this test's own, to be maltreated."""
    with redis_server.single(tmp_path) as server:
        yield server


@asynccontextmanager
async def limiter(url: str, metrics: Metrics | None = None, **options: object) -> AsyncIterator[Limiter]:
    settings = BucketSettings.model_validate({"deadline": "50ms", **options})
    made = open_limiter(settings, RedisSettings(url=url), metrics or Metrics())
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def until_left(limiter: Limiter, charge: Charge, remaining: int) -> None:
    """Ask until the shared bucket has just so much left."""
    async with asyncio.timeout(10):
        while True:
            taken = await limiter.take([charge])
            if not taken.degraded and taken.statuses[0].remaining == remaining:
                return
            await asyncio.sleep(0.02)


async def open_breaker(limiter: Limiter) -> None:
    for _ in range(20):
        await limiter.take([Charge(DAILY, "{x}:breaker")])
        if not limiter.healthy:
            return
    raise AssertionError("the breaker is still closed after 20 calls")


async def test_two_replicas_share_a_bucket(node: RedisServer) -> None:
    charge = Charge(DAILY, "{x}:k")
    async with limiter(node.url) as one, limiter(node.url) as other:
        takes = [await asyncio.gather(one.take([charge]), other.take([charge])) for _ in range(80)]
    assert sum(taken.admitted for pair in takes for taken in pair) == 100


async def test_takes_of_one_turn_are_one_call(node: RedisServer) -> None:
    metrics = Metrics()
    async with limiter(node.url, metrics) as made:
        await made.take([Charge(DAILY, "{x}:warm")])
        calls = int(node.client().info("commandstats")["cmdstat_evalsha"]["calls"])
        await asyncio.gather(*(made.take([Charge(DAILY, f"{{x}}:{n}"), Charge(DAILY, "{x}:all")]) for n in range(50)))
        assert int(node.client().info("commandstats")["cmdstat_evalsha"]["calls"]) - calls == 1


async def test_a_known_empty_bucket_is_refused_without_asking(node: RedisServer) -> None:
    charge = Charge(DAILY, "{x}:k", 100)
    async with limiter(node.url) as made:
        assert (await made.take([charge])).admitted
        assert not (await made.take([charge])).admitted
        known = made.peek([charge])
        assert known is not None
        assert known.statuses[0].retry_after_us > 80_000_000_000
        assert made.peek([Charge(DAILY, "{x}:k", 1)]) is None  # less may still pass


async def test_a_refusal_known_locally_speaks_of_every_charge(node: RedisServer) -> None:
    charges = [Charge(DAILY, "{x}:full", 10), Charge(DAILY, "{x}:empty", 100), Charge(DAILY, "{x}:other")]
    async with limiter(node.url, replicas=2) as made:
        assert (await made.take(charges)).admitted
        for _ in range(2):  # Redis says so first, then nobody has to ask
            taken = await made.take(charges)
            assert not taken.admitted
            assert [status.charge for status in taken.statuses] == charges
            assert [status.over for status in taken.statuses] == [False, True, False]
            assert [status.remaining for status in taken.statuses[:2]] == [90, 0]
        assert made.peek(charges) is not None


async def test_usage_is_booked_beside_a_bucket_that_is_known_to_be_empty(node: RedisServer) -> None:
    empty, used = Charge(DAILY, "{x}:empty", 100), Charge(DAILY, "{x}:used", 30, overdraft=True)
    async with limiter(node.url) as made:
        for _ in range(2):
            await made.take([empty])
        assert made.peek([empty]) is not None
        assert not (await made.take([empty, used])).admitted
        await until_left(made, Charge(DAILY, "{x}:used", 0), 70)


async def test_a_refund_is_seen_by_the_other_replica_at_once(node: RedisServer) -> None:
    charge = Charge(DAILY, "{x}:k", 100)
    async with limiter(node.url) as one, limiter(node.url) as other:
        await until(lambda: node.client().pubsub_numsub("portcullis:returned")[0][1] == 2)
        assert (await one.take([charge])).admitted
        assert not (await other.take([charge])).admitted
        assert (await one.take([Charge(DAILY, "{x}:k", -100)])).admitted
        await until(lambda: other.peek([charge]) is None, 0.5)
        assert (await other.take([charge])).admitted


async def test_a_busy_bucket_is_leased_and_the_rest_comes_back(node: RedisServer) -> None:
    charge, metrics = Charge(BUSY, "{x}:busy"), Metrics()
    async with limiter(node.url, metrics) as made:
        admitted = 0
        until_time = time.monotonic() + 1
        while time.monotonic() < until_time:
            admitted += (await made.take([charge])).admitted
            if admitted % 20 == 0:
                await asyncio.sleep(0.003)
        calls = int(node.client().info("commandstats")["cmdstat_evalsha"]["calls"])
        assert calls < admitted / 5
    # Everything that was not spent is in the bucket again.
    async with limiter(node.url, leasing=False) as made:
        await asyncio.sleep(1.6)
        assert (await made.take([Charge(BUSY, "{x}:busy", 10_000)])).admitted


async def test_an_exact_limit_is_never_leased(node: RedisServer) -> None:
    exact = Limit("exact", 10_000, 1_000_000, 10_000, exact=True)
    metrics = Metrics()
    async with limiter(node.url, metrics) as made:
        for _ in range(300):
            await made.take([Charge(exact, "{x}:exact")])
    assert not metrics.leased_units.values
    assert int(node.client().info("commandstats")["cmdstat_evalsha"]["calls"]) >= 300


async def test_a_request_refused_elsewhere_spends_no_lease(node: RedisServer) -> None:
    busy, once = Charge(BUSY, "{x}:busy"), Charge(Limit("once", 1, 86_400_000_000, 1), "{x}:once")
    async with limiter(node.url) as made:
        for _ in range(400):
            await made.take([busy])
        assert (await made.take([busy, once])).admitted
        for _ in range(50):
            assert not (await made.take([busy, once])).admitted


async def break_connection(node: RedisServer) -> Callable[[], None]:
    node.kill()
    return node.start


async def break_half_open(node: RedisServer) -> Callable[[], None]:
    node.pause()
    return node.resume


async def break_read_only(node: RedisServer) -> Callable[[], None]:
    node.client().execute_command("REPLICAOF", "127.0.0.1", "1")
    return lambda: node.client().execute_command("REPLICAOF", "NO", "ONE")


async def break_out_of_memory(node: RedisServer) -> Callable[[], None]:
    node.client().config_set("maxmemory", "1")
    return lambda: node.client().config_set("maxmemory", "0")


@pytest.mark.parametrize("how", [break_connection, break_half_open, break_read_only, break_out_of_memory])
async def test_redis_fails_and_comes_back(
    node: RedisServer, how: Callable[[RedisServer], asyncio.Future[Callable[[], None]]]
) -> None:
    metrics = Metrics()
    async with limiter(node.url, metrics, replicas=4, deadline="10ms") as made:
        limit = {kind: Limit(kind, 100, 86_400_000_000, 100, on_store_failure=kind) for kind in OnStoreFailure}
        await until_left(made, Charge(DAILY, "{x}:warm", 0), 100)
        mend = await how(node)
        await open_breaker(made)
        for kind, most in ((OnStoreFailure.LOCAL, 25), (OnStoreFailure.ALLOW, 60), (OnStoreFailure.DENY, 0)):
            takes = [await made.take([Charge(limit[kind], f"{{x}}:{kind}")]) for _ in range(60)]
            assert sum(taken.admitted for taken in takes) == most
            assert all(taken.degraded for taken in takes)
        assert metrics.store_up.values[()] == 0
        mend()
        await until(lambda: made.healthy)
        taken = await made.take([Charge(DAILY, "{x}:warm")])
        assert not taken.degraded
        assert metrics.store_up.values[()] == 1


async def test_a_silence_longer_than_every_timeout_is_survived(node: RedisServer) -> None:
    async with limiter(node.url) as made:
        await until_left(made, Charge(DAILY, "{x}:k", 0), 100)
        node.pause()
        await open_breaker(made)
        await asyncio.sleep(2)  # several probes and a read run into their own timeouts
        node.resume()
        await until(lambda: made.healthy)
        await until_left(made, Charge(DAILY, "{x}:other", 0), 100)


async def test_falling_back_opens_no_fresh_burst(node: RedisServer) -> None:
    async with limiter(node.url, replicas=2, deadline="10ms") as made:
        await until_left(made, Charge(DAILY, "{x}:k", 0), 100)
        assert (await made.take([Charge(DAILY, "{x}:k", 90)])).admitted
        node.kill()
        await open_breaker(made)
        takes = [await made.take([Charge(DAILY, "{x}:k")]) for _ in range(50)]
        assert sum(taken.admitted for taken in takes) == 5  # half of the ten that were left


async def test_what_was_spent_alone_is_charged_when_redis_is_back(node: RedisServer) -> None:
    async with limiter(node.url, replicas=1, deadline="10ms") as made:
        await until_left(made, Charge(DAILY, "{x}:k", 0), 100)
        assert (await made.take([Charge(DAILY, "{x}:k", 10)])).admitted
        node.pause()
        await open_breaker(made)
        for _ in range(30):
            assert (await made.take([Charge(DAILY, "{x}:k")])).admitted
        node.resume()
        await until(lambda: made.healthy)
        await until_left(made, Charge(DAILY, "{x}:k", 0), 60)


async def test_a_late_event_loop_is_not_a_late_redis(node: RedisServer) -> None:
    charge, metrics = Charge(DAILY, "{x}:k"), Metrics()
    async with limiter(node.url, metrics, replicas=2, deadline="10ms") as one, limiter(node.url) as other:
        await one.take([Charge(DAILY, "{x}:warm")])
        takes = []
        for _ in range(40):
            waiting = [asyncio.ensure_future(made.take([charge])) for made in (one, other) for _ in range(3)]
            await asyncio.sleep(0)
            time.sleep(0.03)  # noqa: ASYNC251 - this is the fault: a handler that hogs the loop past the deadline
            takes += await asyncio.gather(*waiting)
        assert sum(taken.admitted for taken in takes) == 100
        assert not any(taken.degraded for taken in takes)
        assert one.healthy


async def test_what_redis_did_charge_late_is_not_charged_again(node: RedisServer) -> None:
    charge = Charge(DAILY, "{x}:k", 10)
    async with limiter(node.url, replicas=2, deadline="10ms") as made:
        await until_left(made, Charge(DAILY, "{x}:warm", 0), 100)
        node.pause()
        taken = await made.take([charge])
        assert taken.degraded
        assert taken.admitted
        node.resume()
        await until(lambda: node.client().get("portcullis:b:{x}:k") is not None)
        await asyncio.sleep(0.3)  # long enough for a second charge to arrive, if there were one
        assert (await made.take([Charge(DAILY, "{x}:k", 0)])).statuses[0].remaining == 90


async def test_a_request_told_to_wait_gets_its_late_charge_back(node: RedisServer) -> None:
    closed = Limit("closed", 100, 86_400_000_000, 100, on_store_failure=OnStoreFailure.DENY)
    async with limiter(node.url, deadline="10ms") as made:
        await made.take([Charge(closed, "{x}:warm")])
        node.pause()
        assert not (await made.take([Charge(closed, "{x}:k", 10)])).admitted
        gone = asyncio.ensure_future(made.take([Charge(closed, "{x}:gone", 10)]))
        await asyncio.sleep(0.001)
        gone.cancel()
        node.resume()
        await until(lambda: node.client().info("commandstats")["cmdstat_evalsha"]["calls"] >= 3)
        for key in ("{x}:k", "{x}:gone"):
            await until_left(made, Charge(closed, key, 0), 100)


async def test_a_restart_that_lost_everything_is_survived(node: RedisServer) -> None:
    async with limiter(node.url) as made:
        assert (await made.take([Charge(DAILY, "{x}:k", 60)])).admitted
        node.restart()
        await made.take([Charge(DAILY, "{x}:k", 0)])
        await until(lambda: made.healthy)
        await until_left(made, Charge(DAILY, "{x}:k", 0), 100)


async def test_no_redis_at_the_start_is_survived(node: RedisServer) -> None:
    node.kill()
    async with limiter(node.url, replicas=2) as made:
        takes = [await made.take([Charge(DAILY, "{x}:k")]) for _ in range(60)]
        assert sum(taken.admitted for taken in takes) == 50
        node.start()
        await until(lambda: made.healthy)
        assert not (await made.take([Charge(DAILY, "{x}:other")])).degraded


async def test_replicas_count_each_other(node: RedisServer) -> None:
    metrics = Metrics()
    async with limiter(node.url, metrics), limiter(node.url):
        await until(lambda: metrics.replicas.values.get(()) == 2)

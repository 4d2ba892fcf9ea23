"""Leases in a real Redis: the script against the model that the simulation runs on."""

from __future__ import annotations

import asyncio
import itertools

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from sidecar.limits.limit import Charge, Limit
from sidecar.limits.order import Draw, Lease, Order
from sidecar.limits.redis_store import RedisStore
from tests.harness.redis_server import RedisServer
from tests.harness.store_model import StoreModel

_examples = itertools.count()


@st.composite
def steps(draw: st.DrawFn) -> list[tuple[int, bool, tuple[int, ...], bool, int, int]]:
    """Hits, shadow, rungs, whether the oldest lease is settled, how much of it comes back, how long it lasts."""
    rungs = st.lists(st.integers(1, 40), max_size=4).map(lambda found: tuple(sorted(found, reverse=True)))
    return draw(
        st.lists(
            st.tuples(
                st.integers(0, 30),
                st.booleans(),
                rungs,
                st.booleans(),
                st.integers(0, 40),
                st.sampled_from((1, 1000, 1_000_000)),
            ),
            min_size=1,
            max_size=12,
        )
    )


@given(
    history=steps(),
    units=st.sampled_from((7, 60, 1000, 999_983, 4_294_967_295)),
    period_us=st.sampled_from((1_000_000, 999_983, 86_400_000_000)),
    burst=st.sampled_from((1, 50, 1000)),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_script_leases_as_the_model_does(
    redis_node: RedisServer,
    history: list[tuple[int, bool, tuple[int, ...], bool, int, int]],
    units: int,
    period_us: int,
    burst: int,
) -> None:
    async def run() -> None:
        held: list[Lease] = []
        model = StoreModel()
        async with Redis.from_url(redis_node.url) as client:
            store = RedisStore(client, f"lease{next(_examples)}")
            for hits, shadow, rungs, settles, unspent, lease_us in history:
                limit = Limit("l", units, period_us, burst, shadow=shadow)
                old = held.pop(0) if settles and held else Lease(0, 0)
                draw = Draw(lease_us, rungs, old.epoch, old.units, min(unspent, old.units))
                order = Order([Charge(limit, "k", hits)], {0: draw})
                (outcome,) = await store.take([order])
                (expected,) = model.take([order], outcome.now_us)
                assert outcome == expected
                if 0 in outcome.leases:
                    held.append(outcome.leases[0])

    asyncio.run(run())

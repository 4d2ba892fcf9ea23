"""Leases: the real code over a modelled store, with every admission checked."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.limits.lease import LEASE_US
from sidecar.limits.limit import Limit
from tests.harness.lease_simulation import START_US, Simulation, worst_excess


@given(
    units=st.sampled_from((50, 97, 1000, 10_000)),
    period_us=st.sampled_from((1_000_000, 999_983)),
    burst_part=st.sampled_from((0.05, 0.3, 1.0, 3.0)),
    replicas=st.integers(1, 12),
    load=st.sampled_from((0.3, 0.9, 1.0, 2.0, 5.0)),
    kills=st.booleans(),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25, deadline=None)
def test_no_interval_admits_more_than_burst_and_rate(
    units: int, period_us: int, burst_part: float, replicas: int, load: float, kills: bool, seed: int
) -> None:
    limit = Limit("busy", units, period_us, max(1, int(units * burst_part)))
    seconds = 1.5 if units > 1000 else 4
    simulation = Simulation(limit, replicas, units * load, seconds, seed)
    simulation.kill_every = 0.3 if kills else None
    assert worst_excess(limit, simulation.run().admitted) == 0


@pytest.mark.parametrize("load", [0.9, 1.5])
@pytest.mark.parametrize("replicas", [1, 8])
def test_busy_buckets_are_asked_seldom_and_admit_what_they_may(replicas: int, load: float) -> None:
    limit = Limit("busy", 10_000, 1_000_000, 10_000)
    result = Simulation(limit, replicas, 10_000 * load, 5).run()
    assert result.calls_per_decision <= 0.05
    assert result.admitted_after(2.5) >= 0.95 * 10_000 * min(load, 1)


def test_unspent_units_come_back() -> None:
    limit = Limit("busy", 1000, 1_000_000, 1000)
    simulation = Simulation(limit, 4, 800, 4)
    simulation.quiet_after = 2.0
    simulation.run()
    bucket = simulation.store.buckets["{x}:k"]
    assert sum(len(replica.leases) for replica in simulation.replicas) == 0
    assert bucket.out == {}
    assert bucket.full <= (START_US + 4_000_000) * limit.ticks


def test_a_killed_replica_s_units_are_lost_until_its_lease_ends_and_no_longer() -> None:
    limit = Limit("busy", 1000, 1_000_000, 1000)
    simulation = Simulation(limit, 1, 800, 2)
    simulation.run()
    bucket = simulation.store.buckets["{x}:k"]
    assert bucket.out
    end = START_US + 2_000_000 + LEASE_US + 500_000
    bucket.settle(end, limit.ticks)
    assert bucket.out == {}
    bucket.settle(end + 1_000_000, limit.ticks)
    assert bucket.full == (end + 1_000_000) * limit.ticks

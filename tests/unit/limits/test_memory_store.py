"""The memory store against the reference model, on a clock that the test owns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sidecar.limits.limit import Charge, Limit
from sidecar.limits.memory import MemoryStore
from tests.harness.bucket_model import Model
from tests.harness.bucket_strategies import takes

START = 1_795_399_545_258_657


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


@given(takes(), st.lists(st.one_of(st.integers(0, 50), st.integers(0, 10**12)), min_size=8, max_size=8))
def test_every_answer_is_that_of_the_model(history: list[list[Charge]], pauses: list[int]) -> None:
    clock, model = Clock(), Model()
    store = MemoryStore(clock)
    for charges, pause in zip(history, pauses, strict=False):
        clock.now += pause
        known = store.peek(charges)
        taken = store.take(charges)
        over = [status.over for status in taken.statuses]
        assert (taken.admitted, over, [s.remaining for s in taken.statuses]) == model.take(charges, clock.now)
        if known is not None:
            assert not taken.admitted
            assert [status.charge for status in known.statuses] == charges


def test_a_refused_take_costs_nothing() -> None:
    clock = Clock()
    store = MemoryStore(clock)
    wide, narrow = Limit("wide", 10, 1_000_000, 10), Limit("narrow", 1, 1_000_000, 1)
    both = [Charge(wide, "wide"), Charge(narrow, "narrow")]
    assert store.take(both).admitted
    for _ in range(20):
        assert not store.take(both).admitted
    assert store.take([Charge(wide, "wide", 0)]).statuses[0].remaining == 9


def test_a_refusal_says_exactly_when_to_come_back() -> None:
    clock = Clock()
    store = MemoryStore(clock)
    charge = Charge(Limit("thirds", 3, 1_000_000, 2), "k")
    store.take([charge])
    store.take([charge])
    wait = store.take([charge]).statuses[0].retry_after_us
    assert wait == 333_334
    clock.now += wait - 1
    assert not store.take([charge]).admitted
    clock.now += 1
    assert store.take([charge]).admitted


def test_full_buckets_take_no_memory() -> None:
    clock = Clock()
    store = MemoryStore(clock)
    limit = Limit("per-ip", 100, 60_000_000, 100)
    for address in range(5000):
        clock.now += 10_000
        store.take([Charge(limit, str(address))])
    assert len(store) < 200


def test_a_flood_of_keys_stays_within_the_bound_and_spares_the_empty_bucket() -> None:
    store = MemoryStore(Clock(), max_buckets=1000)
    limit = Limit("per-ip", 100, 60_000_000, 100)
    store.take([Charge(limit, "abuser", 100)])
    for address in range(5000):
        store.take([Charge(limit, str(address))])
    assert len(store) <= 1000
    assert not store.take([Charge(limit, "abuser")]).admitted


def test_a_new_rate_keeps_how_full_the_bucket_is() -> None:
    clock = Clock()
    store = MemoryStore(clock)
    store.take([Charge(Limit("l", 100, 60_000_000, 100), "k", 50)])
    after = store.take([Charge(Limit("l", 200, 60_000_000, 200), "k", 0)])
    assert after.statuses[0].remaining == 100

"""The judge of histories, judged."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sidecar.limits.limit import Limit
from tests.harness.history import excess, ideal

EVENTS = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 40)), min_size=1, max_size=25)


@given(EVENTS, st.integers(1, 5), st.integers(1, 60), st.integers(1, 6))
def test_it_looks_at_every_interval(events: list[tuple[int, int]], units: int, period_us: int, burst: int) -> None:
    limit = Limit("l", units, period_us, burst)
    history = [(start, start + length) for start, length in events]
    worst = max(
        sum(1 for s, e in history if s >= start and e <= end) * limit.price - limit.ticks * (end - start)
        for start, _ in history
        for _, end in history
        if end >= start and any(s >= start and e == end for s, e in history)
    )
    assert excess(limit, history) == -((limit.capacity - worst) // limit.price)


def test_a_burst_too_many_is_found() -> None:
    limit = Limit("l", 10, 1_000_000, 5)
    assert excess(limit, [(n, n + 1) for n in range(5)]) <= 0
    assert excess(limit, [(n, n + 1) for n in range(6)]) == 1


@given(st.lists(st.integers(1, 300), max_size=40), st.integers(1, 5), st.integers(1, 60), st.integers(1, 6))
def test_a_perfect_bucket_exceeds_nothing_and_wastes_nothing(
    asked: list[int], units: int, period_us: int, burst: int
) -> None:
    limit = Limit("l", units, period_us, burst)
    admitted = ideal(limit, asked)
    assert excess(limit, [(at, at) for at in admitted]) <= 0
    assert len(admitted) >= min(burst, len(asked))

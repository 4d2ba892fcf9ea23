"""What a replica admits alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.limits.fallback import Fallback
from sidecar.limits.limit import Algorithm, BucketStatus, Charge, Limit, OnStoreFailure

LIMIT = Limit("l", 100, 1_000_000, 100)
CHARGE = Charge(LIMIT, "k")


class Clock:
    def __init__(self) -> None:
        self.now = 1_795_399_545_258_657

    def __call__(self) -> int:
        return self.now


def admitted(fallback: Fallback, charge: Charge = CHARGE, *, away: bool = True) -> int:
    return sum(fallback.take([charge], away=away).admitted for _ in range(200))


@pytest.mark.parametrize(("replicas", "share"), [(1, 100), (4, 25), (200, 1)])
def test_a_share_is_the_limit_divided_by_the_replicas(replicas: int, share: int) -> None:
    clock = Clock()
    fallback = Fallback(1000, replicas, clock)
    assert admitted(fallback) == share
    clock.now += 1_000_000
    assert admitted(fallback) == share or replicas > 100
    clock.now += replicas * 1_000_000
    assert admitted(fallback) == share


def test_a_share_of_a_fixed_window() -> None:
    window = Limit("w", 100, 60_000_000, 100, algorithm=Algorithm.FIXED_WINDOW)
    assert admitted(Fallback(1000, 4, Clock()), Charge(window, "w")) == 25


def test_while_redis_is_only_late_nothing_comes_back_to_a_share() -> None:
    clock = Clock()
    fallback = Fallback(1000, 4, clock)
    fallback.learn(BucketStatus(CHARGE, 0, 0, 1_000_000, True))
    clock.now += 500_000
    assert admitted(fallback, away=False) == 0
    assert admitted(fallback, away=True) == 12


def test_what_redis_told_long_ago_says_nothing() -> None:
    clock = Clock()
    fallback = Fallback(1000, 4, clock)
    fallback.learn(BucketStatus(CHARGE, 0, 0, 1_000_000, True))
    clock.now += 2_000_000
    assert admitted(fallback, away=False) == 25


def test_one_limit_that_denies_refuses_all_and_costs_nothing() -> None:
    fallback = Fallback(1000, 1, Clock())
    closed = Charge(replace(LIMIT, on_store_failure=OnStoreFailure.DENY), "closed")
    taken = fallback.take([CHARGE, closed])
    assert (taken.admitted, [status.over for status in taken.statuses]) == (False, [False, True])
    assert admitted(fallback) == 100
    assert fallback.take([Charge(replace(closed.limit, shadow=True), "closed")]).admitted


def test_spending_is_told_once_and_only_what_has_not_come_back() -> None:
    clock = Clock()
    fallback = Fallback(1000, 2, clock)
    assert admitted(fallback) == 50
    clock.now += 200_000  # ten units of this share
    (charge,) = fallback.settle()
    assert (charge.key, charge.hits, charge.overdraft, charge.limit.debt) == ("k", 40, True, 100)
    assert fallback.settle() == []


def test_what_redis_charged_after_all_is_not_spending() -> None:
    fallback = Fallback(1000, 2, Clock())
    fallback.take([CHARGE])
    fallback.give_back([CHARGE])
    assert fallback.settle() == []
    assert admitted(fallback) == 50

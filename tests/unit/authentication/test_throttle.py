from __future__ import annotations

import pytest

from sidecar.authentication.settings import ThrottleSettings
from sidecar.authentication.throttle import FailureThrottle
from sidecar.errors import TooManyFailures


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def throttle(clock: Clock, **changes: float) -> FailureThrottle:
    return FailureThrottle(ThrottleSettings.model_validate({"failures": 3, "refill": 10.0, **changes}), clock)


def test_failures_run_out_and_come_back() -> None:
    clock = Clock()
    tested = throttle(clock)
    for _ in range(3):
        tested.check("192.0.2.1")
        tested.count("192.0.2.1")
    with pytest.raises(TooManyFailures) as refused:
        tested.check("192.0.2.1")
    assert refused.value.retry_after == pytest.approx(10.0)
    clock.now += 10.0
    tested.check("192.0.2.1")
    tested.count("192.0.2.1")
    with pytest.raises(TooManyFailures):
        tested.check("192.0.2.1")


def test_refused_guesses_do_not_lengthen_the_wait() -> None:
    clock = Clock()
    tested = throttle(clock)
    for _ in range(100):
        tested.count("192.0.2.1")
    with pytest.raises(TooManyFailures) as refused:
        tested.check("192.0.2.1")
    assert refused.value.retry_after == pytest.approx(10.0)


def test_addresses_are_counted_apart() -> None:
    tested = throttle(Clock())
    for _ in range(5):
        tested.count("192.0.2.1")
    tested.check("192.0.2.2")


def test_ipv6_callers_are_counted_by_their_network() -> None:
    tested = throttle(Clock())
    for last in range(5):
        tested.count(f"2001:db8:1:2::{last}")
    with pytest.raises(TooManyFailures):
        tested.check("2001:db8:1:2:ffff::1")
    tested.check("2001:db8:1:3::1")


def test_memory_is_bounded() -> None:
    tested = throttle(Clock(), addresses=16)
    for number in range(1000):
        tested.count(f"10.0.{number // 250}.{number % 250}")
    assert len(tested._full_at) == 16

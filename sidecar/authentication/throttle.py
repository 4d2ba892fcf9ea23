"""A limit on guessing: how many wrong credentials one address may show."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import ip_address

from sidecar.authentication.settings import ThrottleSettings
from sidecar.errors import TooManyFailures


class FailureThrottle:
    """A token bucket of failures for each address, in this replica's memory.

    It guards the stores against lookups, not the keys against guessing: 256 random bits guard themselves. So it need
    not be shared, and N replicas together forgive N times as much. An IPv6 caller is counted by its /64, since it has
    all of it. Callers whose credential has been verified already are not held up by others behind the same address.
    """

    def __init__(self, settings: ThrottleSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = settings.failures
        self._refill = settings.refill
        self._most = settings.addresses
        self._clock = clock
        # address -> moment at which the bucket is full again (the generic cell rate algorithm)
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def check(self, address: str) -> None:
        """Raise TooManyFailures when `address` has no failure left."""
        if not self._full_at:
            return
        full_at = self._full_at.get(_network(address))
        if full_at is None:
            return
        wait = full_at - self._clock() - (self._burst - 1) * self._refill
        if wait > 0:
            raise TooManyFailures(wait)

    def count(self, address: str) -> None:
        """Note one wrong credential from `address`."""
        key = _network(address)
        now = self._clock()
        full_at = max(self._full_at.get(key, now), now) + self._refill
        self._full_at[key] = min(full_at, now + self._burst * self._refill)
        self._full_at.move_to_end(key)
        if len(self._full_at) > self._most:
            self._full_at.popitem(last=False)


def _network(address: str) -> str:
    if ":" not in address:
        return address
    return (ip_address(address).packed[:8]).hex()

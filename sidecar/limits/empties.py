"""Empties: buckets that are known to be empty refuse without asking the store, until they have refilled."""

from __future__ import annotations

from sidecar.limits.limit import BucketStatus, Charge

_MOST = 65_536  # buckets remembered
_TRUSTED_US, _UNTRUSTED_US = 1_000_000, 50_000


class Empties:
    """What is known of empty buckets. Times are microseconds of one steady clock of this process.

    Units that another replica gives back are heard of at once (`forget`). While that can't be relied on, a bucket is
    taken for empty only for a twentieth of a second at a time.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, int, int]] = {}  # until, hits, when it would have passed
        self._longest_us = _UNTRUSTED_US

    def add(self, status: BucketStatus, now: int) -> None:
        """A charge that the store refused."""
        charge = status.charge
        if charge.hits <= 0 or charge.overdraft or charge.quota or charge.limit.shadow:
            return
        if len(self._known) >= _MOST:
            self._known.clear()
        passes = now + status.retry_after_us
        self._known[charge.key] = (min(passes, now + self._longest_us), charge.hits, passes)

    def find(self, charge: Charge, now: int) -> BucketStatus | None:
        """The refusal of a charge that costs at least as much as one refused a moment ago, or None."""
        known = self._known.get(charge.key)
        if known is None or charge.limit.shadow:
            return None
        until, hits, passes = known
        if until <= now:
            del self._known[charge.key]
            return None
        if charge.hits < hits:
            return None
        return BucketStatus(charge, 0, passes - now, passes - now, True)

    def forget(self, key: str) -> None:
        """Units have come back to a bucket."""
        self._known.pop(key, None)

    def trust(self, heard: bool) -> None:
        """Whether every replica's refunds are heard of."""
        self._longest_us = _TRUSTED_US if heard else _UNTRUSTED_US
        if not heard:
            self._known.clear()

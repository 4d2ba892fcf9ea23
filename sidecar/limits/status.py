"""From the number that a store keeps for a bucket to what a caller may be told."""

from __future__ import annotations

from sidecar.limits.limit import BucketStatus, Charge


def token_status(charge: Charge, ahead: int, over: bool) -> BucketStatus:
    """How a token bucket stands that will be full again in `ahead` ticks."""
    limit = charge.limit
    ahead = max(ahead, 0)
    room = limit.capacity - ahead
    retry_us = 0
    if over:
        missing = max(charge.hits, 0) * limit.price - room
        retry_us = -(-missing // limit.ticks) if limit.units else limit.period_us
    return BucketStatus(
        charge,
        room // limit.price if room > 0 else 0,
        retry_us,
        -(-ahead // limit.ticks) if limit.units else limit.period_us,
        over,
    )


def window_status(charge: Charge, now_us: int, end_us: int, count: int, over: bool) -> BucketStatus:
    """How a fixed window stands that ends at `end_us` (0 or past: none has begun) and has `count` units taken."""
    limit = charge.limit
    if end_us <= now_us:
        end_us, count = now_us - now_us % limit.period_us + limit.period_us, 0
    left_us = end_us - now_us
    return BucketStatus(charge, max(limit.capacity - count, 0), left_us if over else 0, left_us, over)

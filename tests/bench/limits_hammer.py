"""One process that takes from shared buckets as fast as it may, and writes down every answer.

`python -m tests.bench.limits_hammer REDIS_URL FILE SECONDS ATTEMPTS_PER_SECOND LEASING`
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from struct import Struct

import uvloop

from sidecar.limits import BucketSettings, open_limiter
from sidecar.limits.limit import Charge, Limit
from sidecar.metrics import Metrics
from sidecar.redis_connection import RedisSettings

BUCKETS = 50
LIMIT = Limit("hammered", 50, 1_000_000, 250)
ENTRY = Struct("<HBQQ")
"""Bucket, kind of answer, asked and answered (microseconds of the machine's clock)."""
REFUSED, ADMITTED, ALONE = 0, 1, 2  # the last: admitted while Redis was out of reach


def charge(bucket: int) -> Charge:
    """A charge to one of the shared buckets."""
    return Charge(LIMIT, f"{{x}}:{bucket}")


async def hammer(url: str, file: str, seconds: float, rate: float, *, leasing: bool) -> None:
    """Take at random for so many seconds. Every answer is written before the next is asked for."""
    limiter = open_limiter(BucketSettings(leasing=leasing, deadline=0.05), RedisSettings(url=url), Metrics())
    await limiter.start()
    log = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    end, due = time.monotonic() + seconds, time.monotonic()

    async def one() -> None:
        bucket = random.randrange(BUCKETS)
        asked = time.monotonic_ns() // 1000
        taken = await limiter.take([charge(bucket)])
        kind = (ALONE if taken.degraded else ADMITTED) if taken.admitted else REFUSED
        os.write(log, ENTRY.pack(bucket, kind, asked, time.monotonic_ns() // 1000))

    try:
        while time.monotonic() < end:
            due += 0.005
            await asyncio.gather(*(one() for _ in range(max(1, round(rate * 0.005)))))
            await asyncio.sleep(max(0.0, due - time.monotonic()))
    finally:
        await limiter.stop()
        os.close(log)


if __name__ == "__main__":
    uvloop.run(
        hammer(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]), leasing=sys.argv[5] == "leasing")
    )

"""`make bench-limits`: every number of the limits in one run. Exits 1 when a limit was exceeded."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import version

from tests.bench import (
    bench_limits_calls,
    bench_limits_door,
    bench_limits_memory,
    bench_limits_outage,
    bench_limits_processes,
    bench_limits_scale,
)

if __name__ == "__main__":
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, redis-py {version('redis')}")
    bench_limits_memory.main()
    bench_limits_calls.main()
    bench_limits_outage.main()
    failed = bench_limits_processes.main() | bench_limits_scale.main()
    bench_limits_door.main()  # the last: it keeps this process on one core
    sys.exit(failed)

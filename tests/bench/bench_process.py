"""What a sidecar costs before anybody asks it anything: time to the first answer, and memory."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from tests.bench import report
from tests.bench.servers import sidecar
from tests.bench.sidecar_files import SidecarFiles

MEGABYTES, SECONDS = 120.0, 2.0
STARTS = 3
TRANSPORTS = ("native", "grpcio")
SETTLE = 2.0  # seconds after which a process that has nothing to do has its final size


def main() -> None:
    """Measure and print."""
    rows, verdicts = [], []
    for transport in TRANSPORTS:
        starts, sizes = [], []
        for number in range(STARTS):
            report.progress(f"{transport}, start {number + 1} of {STARTS}")
            with tempfile.TemporaryDirectory(prefix="pcl-") as name:
                folder = Path(name)
                files, socket = SidecarFiles(folder), folder / "portcullis.sock"
                configuration = files.write("portcullis", files.full_decision(socket, transport))
                files.create_key(configuration)
                with sidecar(transport, socket, configuration, pinned=False) as running:
                    time.sleep(SETTLE)
                    starts.append(running.start_seconds)
                    sizes.append(running.resident_bytes() / 1e6)
        start, size = statistics.median(starts), statistics.median(sizes)
        rows.append((transport, f"{start:.2f}", f"{size:.0f}"))
        verdicts.append(f"  {transport}, start in s: {report.verdict(start, most=SECONDS)}")
        verdicts.append(f"  {transport}, memory in MB: {report.verdict(size, most=MEGABYTES)}")
    report.table("An idle sidecar", ("sidecar", "start to answer s", "resident MB"), rows)
    print("\n".join(["", "Goals:", *verdicts]))


if __name__ == "__main__":
    main()

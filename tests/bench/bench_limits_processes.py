"""Eight processes on shared buckets, two of them killed and started again: is a limit ever exceeded?

Each process writes down every admission with the moments of asking and answering; afterwards every interval of that
history is checked against burst + rate x time. Under-admission is what one perfect bucket would have admitted more, had
it been asked at the same moments.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from tests.bench import report
from tests.bench.limits_hammer import ALONE, BUCKETS, ENTRY, LIMIT, REFUSED
from tests.harness import redis_server
from tests.harness.history import excess, ideal

PROCESSES = 8
ATTEMPTS = 2 * BUCKETS * LIMIT.units / PROCESSES  # a second and process: twice what is admitted


def main(seconds: float = 60) -> int:
    """Measure and print; 1 when a limit was exceeded."""
    rows: list[tuple[object, ...]] = []
    failed = 0
    for leasing in ("leasing", "asking"):
        report.progress(f"{PROCESSES} processes, {seconds:.0f} s, {leasing}")
        with tempfile.TemporaryDirectory(prefix="pcl-") as folder, redis_server.single(Path(folder)) as node:
            began = time.monotonic()
            history = _run(node.url, Path(folder), seconds, leasing)
            calls = int(node.client().info("commandstats")["cmdstat_evalsha"]["calls"])
        worst = max(excess(LIMIT, events) for events in history.admitted)
        since, until = (began + seconds / 3) * 1e6, (began + seconds) * 1e6
        admitted = sum(_within((asked for asked, _ in events), since, until) for events in history.admitted)
        possible = sum(_within(ideal(LIMIT, (asked for asked, _ in events)), since, until) for events in history.asked)
        attempts = sum(len(asked) for asked in history.asked)
        failed |= worst > 0
        rows.append(
            (
                leasing,
                f"{attempts / seconds:,.0f}",
                f"{admitted / (seconds * 2 / 3):,.0f}",
                history.alone,
                max(worst, 0),
                f"{(1 - admitted / possible) * 100:.1f} %",
                f"{calls / attempts:.3f}",
            )
        )
    head = (
        f"{BUCKETS} buckets of {LIMIT.units}/s, burst {LIMIT.burst}",
        "asked/s",
        "admitted/s",
        "without Redis",
        "units too many",
        "under",
        "calls/decision",
    )
    report.table(f"{PROCESSES} processes for {seconds:.0f} s, two killed and started again", head, rows)
    print(
        f"\n  units beyond burst + rate x time: {report.verdict(float(max(int(str(row[4])) for row in rows)), most=0)}"
    )
    return failed


class _History:
    def __init__(self, folder: Path) -> None:
        self.admitted: list[list[tuple[int, int]]] = [[] for _ in range(BUCKETS)]
        self.asked: list[list[tuple[int, int]]] = [[] for _ in range(BUCKETS)]
        self.alone = 0
        for file in folder.glob("*.log"):
            content = file.read_bytes()
            whole = len(content) - len(content) % ENTRY.size
            for bucket, kind, asked, answered in ENTRY.iter_unpack(content[:whole]):
                self.asked[bucket].append((asked, answered))
                if kind != REFUSED:
                    self.admitted[bucket].append((asked, answered))
                self.alone += kind == ALONE


def _within(moments: Iterable[int], since: float, until: float) -> int:
    return sum(1 for moment in moments if since < moment < until)


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.kill()


def _run(url: str, folder: Path, seconds: float, leasing: str) -> _History:
    end = time.monotonic() + seconds

    def start(name: str) -> subprocess.Popen[bytes]:
        left = str(max(1.0, end - time.monotonic()))
        arguments = [url, str(folder / f"{name}.log"), left, str(ATTEMPTS), leasing]
        return subprocess.Popen([sys.executable, "-m", "tests.bench.limits_hammer", *arguments])

    with contextlib.ExitStack() as stack:
        running = [start(f"first-{number}") for number in range(PROCESSES)]
        stack.callback(_end, running)
        for number, moment in ((0, seconds / 3), (1, seconds * 2 / 3)):
            time.sleep(max(0.0, end - seconds + moment - time.monotonic()))
            running[number].kill()
            running[number].wait()
            running[number] = start(f"second-{number}")
        for process in running:
            process.wait(seconds + 30)
    return _History(folder)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 60))

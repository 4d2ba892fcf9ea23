"""Envoy's rate-limit door on one core: four descriptors a call, leased and asked, and its tail at 1000/s."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sidecar._pb.descriptor_pb2 import RateLimitDescriptor
from sidecar._pb.ratelimit_pb2 import RateLimitRequest, RateLimitResponse
from tests.bench import report
from tests.bench.http2_load import Connection
from tests.bench.servers import Server, floor, pin_client, sidecar
from tests.bench.sidecar_files import SidecarFiles
from tests.harness import redis_server
from tests.harness.redis_server import RedisServer

METHOD = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
KEYS = ("remote_address", "user", "tenant", "route")
GOALS = {"leased": 15_000, "asked": 5_000}
ROUNDS, SECONDS, IN_FLIGHT = 5, 1.5, 64


class PacedConnection(Connection):
    """A connection that sends at a fixed pace, whatever the answers do."""

    def pace(self, seconds: float, rate: float) -> deque[float]:
        """Latencies in seconds, each counted from when its call was due, not from when it could be sent."""
        latencies: deque[float] = deque()
        begin = time.perf_counter()
        total, sent = int(seconds * rate), 0
        self._socket.setblocking(True)
        while sent < total or self._pending:
            due = begin + sent / rate
            if sent < total and time.perf_counter() >= due:
                self._fill(len(self._pending) + 1)
                self._pending[self._next_stream - 2] = due
                sent += 1
                continue
            self._socket.settimeout(max(0.0001, due - time.perf_counter()) if sent < total else 10)
            try:
                self._read()
            except TimeoutError:
                continue
            self._take_frames(latencies)
        return latencies


def call() -> bytes:
    """One call with four descriptors."""
    descriptors = [
        RateLimitDescriptor(entries=[RateLimitDescriptor.Entry(key=key, value="value-of-it")]) for key in KEYS
    ]
    return RateLimitRequest(domain="bench", descriptors=descriptors).SerializeToString()


def main() -> None:
    """Measure and print."""
    pin_client()
    rows: list[tuple[object, ...]] = []
    verdicts = []
    with tempfile.TemporaryDirectory(prefix="pcl-") as folder, ExitStack() as stack:
        node = stack.enter_context(redis_server.single(Path(folder)))
        empty = stack.enter_context(floor("empty", "native", Path(folder)))
        servers = {"floor": empty}
        for kind in GOALS:
            servers[kind] = stack.enter_context(_serve(kind, Path(folder), node))
        for kind, server in servers.items():
            connection = stack.enter_context(PacedConnection(str(server.path), _method(kind), call()))
            connection.run(1, IN_FLIGHT)
            _check(kind, connection)
            report.progress(f"{kind}: {ROUNDS} rounds, and ten seconds at 1000/s")
            rates, costs = _rounds(server, connection)
            tail = sorted(connection.pace(10, 1000))
            rows.append(
                (
                    kind,
                    f"{statistics.median(rates):,.0f}",
                    f"{statistics.median(costs) * 1e6:.0f}",
                    *(report.milliseconds(report.percentile(tail, share)) for share in (0.5, 0.99, 0.999)),
                )
            )
            if kind in GOALS:
                verdicts.append(f"  {kind}, calls/s: {report.verdict(statistics.median(rates), least=GOALS[kind])}")
                worst = report.percentile(tail, 0.999) * 1e3
                verdicts.append(f"  {kind}, p99.9 in ms at 1000/s: {report.verdict(worst, most=20)}")
    head = ("ShouldRateLimit, 4 descriptors", "calls/s", "CPU us/call", "p50 ms", "p99 ms", "p99.9 ms")
    report.table("The rate-limit door, native transport, one core (latencies: open loop, 1000/s)", head, rows)
    print("\n".join(["", *verdicts]))


def _method(kind: str) -> str:
    return "/envoy.service.auth.v3.Authorization/Check" if kind == "floor" else METHOD


def _check(kind: str, connection: Connection) -> None:
    if kind != "floor":
        answer = RateLimitResponse.FromString(connection.answer)
        if answer.overall_code != RateLimitResponse.OK or len(answer.statuses) != len(KEYS):
            raise SystemExit(f"the sidecar answers what it should not:\n{answer}")


def _rounds(server: Server, connection: Connection) -> tuple[list[float], list[float]]:
    rates, costs = [], []
    for _ in range(ROUNDS):
        spent, begun = server.processor_seconds(), time.perf_counter()
        answered = len(connection.run(SECONDS, IN_FLIGHT))
        rates.append(answered / (time.perf_counter() - begun))
        costs.append((server.processor_seconds() - spent) / answered)
    return rates, costs


def _serve(kind: str, folder: Path, node: RedisServer) -> Server:
    files, socket = SidecarFiles(folder), folder / f"{kind}.sock"
    rules: list[dict[str, Any]] = [
        {"key": key, "rate_limit": {"unit": "second", "requests_per_unit": 1_000_000}} for key in KEYS
    ]
    configuration = files.full_decision(socket, "native") | {
        "redis": {"url": node.url},
        "buckets": {"leasing": kind == "leased"},
        "ratelimit": {"descriptors": str(files.write("descriptors", {"domain": "bench", "descriptors": rules}))},
    }
    return sidecar(kind, socket, files.write(kind, configuration))


if __name__ == "__main__":
    main()

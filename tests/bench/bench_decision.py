"""How much of an empty handler's throughput is left for whoever asks Portcullis: one core, both transports.

The full decision is an API key, four limits in memory, a prompt of 1 kB inspected for injection, metrics, and a
trace context that is not sampled. Floors and decision take turns, so that what else the machine does hits all alike;
the ratio is that of processor time for a call, which is what one core has to give, however busy the machine is.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from sidecar._pb.authorization_pb2 import CheckResponse
from tests.bench import questions, report
from tests.bench.http2_load import Connection
from tests.bench.servers import Server, floor, pin_client, sidecar
from tests.bench.sidecar_files import SidecarFiles

GOALS = {"native": 0.4, "grpcio": 0.6}
ROUNDS, SECONDS, IN_FLIGHT = 5, 1.5, 32


@dataclass
class Measured:
    """One server's rounds."""

    server: Server
    connection: Connection
    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    def round(self, seconds: float) -> None:
        """Load the server for a while."""
        spent, begun = self.server.processor_seconds(), time.perf_counter()
        latencies = self.connection.run(seconds, IN_FLIGHT)
        elapsed = time.perf_counter() - begun
        self.rates.append(len(latencies) / elapsed)
        self.costs.append((self.server.processor_seconds() - spent) / len(latencies))
        self.latencies += latencies


def main() -> None:
    """Measure and print."""
    pin_client()
    rows: list[tuple[object, ...]] = []
    verdicts = []
    for transport, goal in GOALS.items():
        with tempfile.TemporaryDirectory(prefix="pcl-") as folder, ExitStack() as stack:
            empty, parse, full = measure(Path(folder), transport, stack)
        for what, measured in (
            ("empty handler", empty),
            ("parses, answers", parse),
            ("full decision", full),
        ):
            latencies = sorted(measured.latencies)
            rows.append(
                (
                    f"{transport}: {what}",
                    f"{statistics.median(measured.rates):,.0f}",
                    f"{statistics.median(measured.costs) * 1e6:.0f}",
                    report.milliseconds(report.percentile(latencies, 0.5)),
                    report.milliseconds(report.percentile(latencies, 0.99)),
                    f"{ratio(measured, empty):.2f}",
                    f"{ratio(measured, parse):.2f}",
                )
            )
        verdicts.append(f"  {transport}: {report.verdict(ratio(full, parse), least=goal)}")
    head = ("one core, 32 calls in flight", "calls/s", "CPU us/call", "p50 ms", "p99 ms", "of empty", "of parsing")
    report.table(f"Full decision against an empty handler ({ROUNDS} alternating rounds)", head, rows)
    print("\n".join(["", "Full decision / handler that parses and answers:", *verdicts]))


def measure(folder: Path, transport: str, stack: ExitStack) -> list[Measured]:
    """All three servers at once, measured in turn."""
    files, socket = SidecarFiles(folder), folder / "portcullis.sock"
    configuration = files.write("portcullis", files.full_decision(socket, transport))
    call = questions.completion(files.create_key(configuration))
    servers = [stack.enter_context(floor(kind, transport, folder)) for kind in ("empty", "parse")]
    servers.append(stack.enter_context(sidecar(transport, socket, configuration)))
    measured = []
    for server in servers:
        connection = Connection(str(server.path), questions.METHOD, call, [questions.UNSAMPLED])
        measured.append(Measured(server, stack.enter_context(connection)))
        connection.run(0.5, IN_FLIGHT)
    allowed = CheckResponse.FromString(measured[2].connection.answer)
    if allowed.status.code != 0 or not allowed.HasField("ok_response"):
        raise SystemExit(f"the sidecar refuses what it should let pass:\n{allowed}")
    for number in range(ROUNDS):
        report.progress(f"{transport}, round {number + 1} of {ROUNDS}")
        for candidate in measured:
            candidate.round(SECONDS)
    return measured


def ratio(measured: Measured, base: Measured) -> float:
    """Calls for the same processor time in relation to another server's: the median over the rounds."""
    return statistics.median(theirs / mine for mine, theirs in zip(measured.costs, base.costs, strict=True))


if __name__ == "__main__":
    main()

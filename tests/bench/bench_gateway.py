"""What a decision adds to a request through real Envoy: the median of one connection, and the tail at a fixed rate.

The gateway is `envoy/gateway.yaml` with one worker. In place of the model Envoy itself answers, so that nothing but the
gateway is measured. Prompts are inspected for injection; one request in a hundred is traced. Floor: the same Envoy,
holding the body as well, without the two filters that ask Portcullis. All processes share the machine's cores.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.bench import http1_load, questions, report
from tests.bench.servers import sidecar
from tests.bench.sidecar_files import SidecarFiles
from tests.harness.certificates import Authority, ServerCertificate
from tests.harness.collector import Collector
from tests.harness.envoy import GATEWAY, Envoy, Placement, connection_manager
from tests.harness.waiting import free_port

GOAL = 1.0  # milliseconds
ROUNDS, REQUESTS = 5, 400
RATE, SECONDS = 1000, 10.0
_BUFFER = {
    "name": "envoy.filters.http.buffer",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer",
        "max_request_bytes": 1 << 20,
    },
}
AUTHORIZATION, RATE_LIMIT = "envoy.filters.http.ext_authz", "envoy.filters.http.ratelimit"
# What is printed; the transport of the sidecar, if any; the filters that are left out.
VARIANTS = (
    ("Envoy without ext_authz", None, {AUTHORIZATION, RATE_LIMIT}),
    ("ext_authz, native", "native", {RATE_LIMIT}),
    ("ext_authz, grpcio", "grpcio", {RATE_LIMIT}),
    ("ext_authz and rate limit, native", "native", set[str]()),
)


@dataclass
class Gateway:
    """One running Envoy and what was measured through it, in seconds."""

    name: str
    port: int
    medians: list[float] = field(default_factory=list)
    scheduled: list[float] = field(default_factory=list)
    failed: int = 0


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="pcl-") as name, ExitStack() as stack:
        folder = Path(name)
        authority, files = Authority(folder), SidecarFiles(folder)
        served, collector = authority.issue("gateway"), stack.enter_context(Collector())
        gateways, key = [], ""
        for number, (title, transport, left_out) in enumerate(VARIANTS):
            report.progress(f"start: {title}")
            socket = folder / f"{number}.sock"
            if transport is not None:
                settings = files.full_decision(socket, transport)
                settings["telemetry"]["otlp_endpoint"] = collector.endpoint
                configuration = files.write(str(number), settings)
                key = key or files.create_key(configuration)  # all share one file of keys
                stack.enter_context(sidecar(title, socket, configuration, pinned=False))
            home = folder / f"envoy-{number}"
            home.mkdir()
            base = home / "gateway.yaml"
            base.write_text(yaml.safe_dump(answering_itself(left_out)))
            envoy = stack.enter_context(Envoy(home, placement(home, served, authority, collector, socket), base))
            gateways.append(Gateway(title, envoy.placement.port))
        measure(gateways, authority.certificate, http1_load.request(key, questions.BODY))
    show(gateways)


def answering_itself(left_out: set[str]) -> dict[str, Any]:
    """`envoy/gateway.yaml` without some filters, with an answer of its own in place of the model's."""
    configuration: dict[str, Any] = yaml.safe_load(GATEWAY.read_text())
    manager = connection_manager(configuration)
    kept = [entry for entry in manager["http_filters"] if entry["name"] not in left_out]
    # ext_authz waits for the body. Without it Envoy would answer before the body is there, and close the connection.
    manager["http_filters"] = [*([_BUFFER] if AUTHORIZATION in left_out else []), *kept]
    manager["tracing"]["random_sampling"]["value"] = 1
    (host,) = manager["route_config"]["virtual_hosts"]
    host["routes"] = [
        {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": '{"choices":[]}'}}}
    ]
    return configuration


def placement(
    home: Path, served: ServerCertificate, authority: Authority, collector: Collector, socket: Path
) -> Placement:
    """Where this Envoy listens and whom it asks."""
    return Placement(
        port=free_port(),
        operations_port=free_port(),
        certificate=served.certificate,
        key=served.key,
        upstream_port=free_port(),
        authorities=authority.certificate,
        sidecar_socket=socket,
        collector_port=collector.port,
        admin_socket=home / "admin.sock",
    )


def measure(gateways: list[Gateway], authority: Path, sent: bytes) -> None:
    """One connection in alternating rounds, then each gateway at the fixed rate."""
    gc.disable()  # the client's own pauses are not the gateway's
    for gateway in gateways:
        http1_load.one_at_a_time(gateway.port, authority, sent, REQUESTS)
    for number in range(ROUNDS):
        report.progress(f"one connection, round {number + 1} of {ROUNDS}")
        for gateway in gateways:
            latencies = http1_load.one_at_a_time(gateway.port, authority, sent, REQUESTS)
            gateway.medians.append(statistics.median(latencies))
    for gateway in gateways:
        report.progress(f"{RATE} requests/s for {SECONDS:.0f} s: {gateway.name}")
        asyncio.run(http1_load.at_fixed_rate(gateway.port, authority, sent, RATE, 1))
        answered = asyncio.run(http1_load.at_fixed_rate(gateway.port, authority, sent, RATE, SECONDS))
        gateway.scheduled, gateway.failed = answered
    gc.enable()


def show(gateways: list[Gateway]) -> None:
    """Print both tables and the verdict."""
    floor = gateways[0]
    rows, verdicts = [], []
    for gateway in gateways:
        added = statistics.median(mine - theirs for mine, theirs in zip(gateway.medians, floor.medians, strict=True))
        median = statistics.median(gateway.medians)
        rows.append((gateway.name, report.milliseconds(median), report.milliseconds(added)))
        if gateway is not floor:
            verdicts.append(f"  {gateway.name}: {report.verdict(added * 1e3, most=GOAL)}")
    head = ("one connection, one request at a time", "p50 ms", "added ms")
    report.table(f"Through real Envoy ({ROUNDS} alternating rounds of {REQUESTS})", head, rows)
    print("\n".join(["", "Added p50 in ms:", *verdicts]))
    scheduled = []
    for gateway in gateways:
        latencies = sorted(gateway.scheduled)
        shares = [report.milliseconds(report.percentile(latencies, share)) for share in (0.5, 0.99, 0.999)]
        scheduled.append((gateway.name, *shares, report.milliseconds(latencies[-1]), gateway.failed))
    head_scheduled = (
        f"{RATE} requests/s, open loop, {SECONDS:.0f} s",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "max ms",
        "not 200",
    )
    report.table("Through real Envoy at a fixed rate", head_scheduled, scheduled)


if __name__ == "__main__":
    main()

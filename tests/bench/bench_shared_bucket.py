"""Sixteen clients over two sidecars on one Redis: together they never get more than burst + rate x time.

The limit says `on_store_failure: deny`, so that Redis alone decides. With `local`, a sidecar that hears nothing from
Redis within its deadline admits from its own share, as may happen where sixteen clients fight for two cores.
"""

from __future__ import annotations

import asyncio
import collections
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import grpc

from sidecar._pb.authorization_pb2 import CheckResponse
from tests.bench import questions, report
from tests.bench.servers import sidecar
from tests.bench.sidecar_files import PLAN, SidecarFiles
from tests.harness import redis_server

CLIENTS, SIDECARS, SECONDS = 16, 2, 5.0
LIMITS = ((50, 20), (500, 100), (2000, 200))  # rate a second, burst


def main() -> int:
    """Measure and print; 1 when a client got more than the limit."""
    rows, broken = [], False
    for rate, burst in LIMITS:
        report.progress(f"{rate}/second, burst {burst}, for {SECONDS:.0f} s")
        counts, elapsed = run(rate, burst)
        admitted = counts.pop(200)
        most = burst + rate * elapsed
        broken |= admitted > most
        rows.append(
            (
                f"{rate}/second, burst {burst}",
                admitted,
                counts.pop(429, 0),
                counts.total(),
                f"{most:.1f}",
                f"{admitted / most:.3f}",
                "EXCEEDED" if admitted > most else "kept",
            )
        )
    head = (f"{CLIENTS} clients, {SIDECARS} sidecars, 1 Redis", "admitted", "429", "503", "at most", "share", "limit")
    report.table("One bucket, shared", head, rows)
    return int(broken)


def run(rate: int, burst: int) -> tuple[collections.Counter[int], float]:
    """Answers by HTTP status, and the seconds from before the first call until after the last answer."""
    with tempfile.TemporaryDirectory(prefix="pcl-") as name, ExitStack() as stack:
        folder = Path(name)
        redis = stack.enter_context(redis_server.single(folder))
        files = SidecarFiles(folder)
        sockets = [folder / f"{number}.sock" for number in range(SIDECARS)]
        for number, socket in enumerate(sockets):
            settings = files.full_decision(socket, "auto") | {"redis": {"url": redis.url}}
            del settings["telemetry"]
            limit = {"name": "shared", "by": ["api_key"], "rate": f"{rate}/second", "burst": burst}
            settings["limits"] = [limit | {"on_store_failure": "deny"}]
            settings["plans"][PLAN]["limits"] = []
            configuration = files.write(str(number), settings)
            if number == 0:
                call = questions.completion(files.create_key(configuration))
            stack.enter_context(sidecar(f"sidecar {number}", socket, configuration, pinned=False))
        return asyncio.run(ask(sockets, call))


async def ask(sockets: list[Path], call: bytes) -> tuple[collections.Counter[int], float]:
    """Every client asks one sidecar as fast as it answers."""
    counts = collections.Counter({200: 0})
    begun = time.perf_counter()

    async def client(socket: Path) -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(f"unix:{socket}", options=options) as channel:
            check = channel.unary_unary(questions.METHOD, response_deserializer=CheckResponse.FromString)
            while time.perf_counter() - begun < SECONDS:
                answer = await check(call)
                status = answer.denied_response.status.code or answer.error_response.status.code
                if answer.status.code and status not in {429, 503}:
                    raise SystemExit(f"refused for another reason than the limit:\n{answer}")
                counts[status if answer.status.code else 200] += 1

    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(client(sockets[number % len(sockets)]))
    return counts, time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(main())

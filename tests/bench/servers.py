"""Servers under measurement: each on a core of its own, with what it costs in processor time and memory."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

from tests.harness.process import Process

_TICK = os.sysconf("SC_CLK_TCK")
_PINNED = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])}); os.execv(sys.argv[2], sys.argv[2:])"


def cores() -> tuple[int, int]:
    """A core for the server and one for the client; the same one where there is only one."""
    available = sorted(os.sched_getaffinity(0))
    return available[0], available[-1]


def pin_client() -> None:
    """Keep this process, the client, off the server's core."""
    os.sched_setaffinity(0, {cores()[1]})


class Server(Process):
    """A Python server, `pinned` to a core of its own or not, answering on the Unix socket `path` from construction."""

    def __init__(self, name: str, path: Path, *arguments: str | Path, pinned: bool = True) -> None:
        self.path = path
        pinning = [sys.executable, "-c", _PINNED, str(cores()[0])] if pinned else []
        begun = time.perf_counter()
        super().__init__(name, [*pinning, sys.executable, *arguments], path.with_suffix(".log"))
        self.wait_until(self._accepts, "it answers")
        self.start_seconds = time.perf_counter() - begun

    def _accepts(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            return probe.connect_ex(str(self.path)) == 0

    def processor_seconds(self) -> float:
        """Processor time of the process so far, all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    def resident_bytes(self) -> int:
        """Memory that the process occupies now."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def floor(kind: str, transport: str, folder: Path) -> Server:
    """The least that a server can do: `kind` is `empty` or `parse`."""
    path = folder / f"{kind}-{transport}.sock"
    return Server(f"{kind} {transport}", path, "-m", "tests.bench.floor", kind, transport, path)


def sidecar(name: str, path: Path, configuration: Path, *, pinned: bool = True) -> Server:
    """Portcullis itself; `configuration` must name `path` as its socket."""
    return Server(name, path, "-m", "sidecar.cli", "serve", "--config", configuration, pinned=pinned)

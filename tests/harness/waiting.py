"""Waiting for what another process does, without fixed sleeps."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

PATIENCE = 30.0  # seconds; generous, since it only ends a wait that has already failed


class HarnessError(AssertionError):
    """Something that a test needs did not come up; the message has the end of its log."""


def until(
    condition: Callable[[], bool], what: str, explain: Callable[[], str] = str, patience: float = PATIENCE
) -> None:
    """Return as soon as `condition` holds; HarnessError naming `what`, with `explain()`, after `patience` seconds."""
    deadline = time.monotonic() + patience
    pause = 0.005
    while not condition():
        if time.monotonic() > deadline:
            raise HarnessError(f"gave up waiting until {what}\n{explain()}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


def free_port(preferred: int = 0) -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now: `preferred` when it is free, any other otherwise."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise HarnessError("no free TCP port on 127.0.0.1")


def accepts(port: int) -> bool:
    """Whether somebody accepts TCP connections on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0

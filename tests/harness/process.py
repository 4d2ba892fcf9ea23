"""One child process: its log, its readiness, its end."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.harness.waiting import PATIENCE, HarnessError, until


class Process:
    """A running child that writes to `log`. As a context manager it is ended on leaving.

    It has a session of its own, so that Ctrl-C reaches only the parent, which then ends its children in order.
    """

    def __init__(
        self, name: str, command: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name, self.log = name, log
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=None if environment is None else {**os.environ, **environment},
            )

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether the child still runs."""
        return self._child.poll() is None

    def wait_until(self, condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
        """Wait for a condition that the child brings about; HarnessError at once when it ends instead."""

        def holds() -> bool:
            if not self.alive:
                raise HarnessError(f"{self.name} ended with {self._child.returncode} before {what}\n{self.tail()}")
            return condition()

        until(holds, what, self.tail, patience)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._child.send_signal(number)

    def wait(self, patience: float = PATIENCE) -> int:
        """The exit status, negative for a signal; HarnessError when the child goes on running."""
        try:
            return self._child.wait(patience)
        except subprocess.TimeoutExpired:
            raise HarnessError(f"{self.name} did not end within {patience:.0f} s\n{self.tail()}") from None

    def stop(self, patience: float = 10) -> int:
        """Ask the child to end, and make it end if it does not; the exit status."""
        if self.alive:
            self._child.terminate()
            try:
                return self._child.wait(patience)
            except subprocess.TimeoutExpired:
                self._child.kill()
        return self._child.wait()

    def kill(self) -> int:
        """End the child without asking."""
        self._child.kill()
        return self._child.wait()

    def output(self) -> str:
        """Everything that the child has written."""
        return self.log.read_text(errors="replace")

    def tail(self, lines: int = 40) -> str:
        """The last lines that the child has written, under its name."""
        return "\n".join([f"--- {self.name} ({self.log})", *self.output().splitlines()[-lines:]])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

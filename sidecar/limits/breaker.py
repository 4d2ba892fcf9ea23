"""Breaker: stop asking a store that doesn't answer, and find out when it does again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from sidecar.errors import StoreUnavailable
from sidecar.metrics import Metrics

_log = structlog.get_logger()

_FAILURES = 5  # in a row, before anybody stops asking
_FIRST_PROBE, _LONGEST_PROBE = 0.1, 0.8  # seconds between probes while open


class Breaker:
    """Open after five failures in a row; `probe`, repeated in the background, closes it again.

    `probe` raises StoreUnavailable while the store can't take a write.
    """

    def __init__(self, probe: Callable[[], Awaitable[object]], metrics: Metrics) -> None:
        self.open = False
        self._probe = probe
        self._metrics = metrics
        self._failures = 0
        self._task: asyncio.Task[None] | None = None
        metrics.store_up.set(1)

    def success(self) -> None:
        """The store has answered."""
        self._failures = 0

    def failure(self, code: str) -> bool:
        """The store has not answered, or not with what was asked; whether nobody should ask it any more."""
        self._failures += 1
        self._metrics.store_failures.add(1, code)
        if self._failures >= _FAILURES and not self.open:
            self.open = True
            self._metrics.store_up.set(0)
            _log.warning("store_unavailable", code=code)
            self._task = asyncio.get_running_loop().create_task(self._recover())
        return self.open

    async def stop(self) -> None:
        """End the background probe."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _recover(self) -> None:
        pause = _FIRST_PROBE
        while True:
            await asyncio.sleep(pause)
            try:
                await self._probe()
            except StoreUnavailable:
                pause = min(pause * 2, _LONGEST_PROBE)
                continue
            self.open, self._failures = False, 0
            self._metrics.store_up.set(1)
            _log.info("store_available")
            return

"""Ending background work for certain."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

_PATIENCE_SECONDS = 0.5
_TRIES = 10


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel the tasks and wait for them.

    More than once where it must be: a library that meets its own timeout in the moment of the cancellation may
    swallow it.
    """
    pending = set(tasks)
    for _ in range(_TRIES):
        if not pending:
            return
        for task in pending:
            task.cancel()
        done, pending = await asyncio.wait(pending, timeout=_PATIENCE_SECONDS)
        for task in done:
            if not task.cancelled():
                task.exception()

"""Source: the descriptors in force, read again when their files change."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import structlog
from watchfiles import awatch

from sidecar.errors import ConfigurationError
from sidecar.limits.descriptors import Descriptors, load
from sidecar.limits.question import Questions
from sidecar.limits.settings import DescriptorSettings
from sidecar.metrics import Metrics

_log = structlog.get_logger()

_RECHECK_MS = 5_000  # changes of which no event tells: a network file system, a link outside the folder


class DescriptorSource:
    """Holds the last good configuration of the rate-limit service.

    Without settings there is no domain, and nothing is limited. ConfigurationError is raised by the constructor alone:
    later, a bad file is logged and counted, and what was in force stays so. Kubernetes swaps a ConfigMap by renaming a
    link in the folder; that is noticed like any other change.
    """

    def __init__(self, settings: DescriptorSettings | None, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._seen: object = None
        self._task: asyncio.Task[None] | None = None
        if settings is None:
            self.questions = Questions(Descriptors({}), DescriptorSettings(descriptors=Path()))
        else:
            self._seen = _fingerprint(settings.descriptors)
            self.questions = self._load(settings)

    async def start(self) -> None:
        """Begin to follow the files."""
        if self._settings is not None:
            self._task = asyncio.get_running_loop().create_task(self._follow(self._settings))

    async def stop(self) -> None:
        """No longer follow the files."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def reload(self) -> bool:
        """Read the files again if they have changed; False when they are bad and the last good ones stay."""
        settings = self._settings
        if settings is None:
            return True
        seen = _fingerprint(settings.descriptors)
        if seen == self._seen:
            return True
        self._seen = seen
        try:
            self.questions = self._load(settings)
        except ConfigurationError as fault:
            self._metrics.descriptor_reloads.add(1, "refused")
            _log.error("descriptors_refused", problem=str(fault))
            return False
        self._metrics.descriptor_reloads.add(1, "applied")
        _log.info("descriptors_reloaded", file=str(settings.descriptors))
        return True

    @staticmethod
    def _load(settings: DescriptorSettings) -> Questions:
        return Questions(load(settings.descriptors, merge_domains=settings.merge_domains), settings)

    async def _follow(self, settings: DescriptorSettings) -> None:
        path = settings.descriptors
        folder = path if path.is_dir() else path.parent
        while True:
            with contextlib.suppress(OSError):
                async for _ in awatch(folder, recursive=False, rust_timeout=_RECHECK_MS, yield_on_timeout=True):
                    await asyncio.to_thread(self.reload)
            await asyncio.sleep(_RECHECK_MS / 1000)  # the folder is gone; it may come back


def _fingerprint(path: Path) -> object:
    """Changes whenever the content of a file may have changed."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    found = []
    for file in files:
        with contextlib.suppress(OSError):
            state = file.stat()
            found.append((str(file), state.st_ino, state.st_mtime_ns, state.st_size))
    return found

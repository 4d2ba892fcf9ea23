"""The composition root: a configuration file becomes a running server; start, reload, drain, stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from pathlib import Path

import structlog
import uvloop
from pydantic import BaseModel
from watchfiles import awatch

import sidecar
from sidecar import limits, logs, memory, transport
from sidecar.assembly import assemble
from sidecar.config import Config, load
from sidecar.errors import PortcullisError
from sidecar.health import CONFIGURATION, OVERALL, REDIS, Health
from sidecar.journal import Journal
from sidecar.metrics import Metrics
from sidecar.services.authorization import AuthorizationService
from sidecar.services.ratelimit import RateLimitService
from sidecar.telemetry import Telemetry

_QUIET = 0.5  # seconds without a call after which draining is over
_FIXED = ("server", "redis", "buckets", "telemetry")  # sections that only a restart can change


def run(path: Path) -> None:
    """Serve until SIGTERM or SIGINT; raises ConfigurationError before anything listens."""
    config = load(path)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(path, config))


async def _serve(path: Path, config: Config) -> None:
    await Server(path, config).run()


class Server:
    """One sidecar process; made inside the event loop that it serves on."""

    def __init__(self, path: Path, config: Config) -> None:
        logs.configure(config.telemetry.log_level)
        self._path, self._config = path, config
        self._log = structlog.get_logger()
        self._stop = asyncio.Event()
        self._metrics = Metrics()
        self._limiter = limits.open_limiter(config.buckets, config.redis, self._metrics)
        self._assembly = assemble(config, self._limiter, self._metrics)
        self._read = _state(config)
        self._telemetry = Telemetry(config.telemetry, self._metrics)
        self._health = Health()
        journal = Journal(self._metrics, self._telemetry, log_allowed=config.telemetry.log_allowed)
        credential_headers = self._assembly.authentication.credential_headers
        self._authorization = AuthorizationService(self._assembly.policy, journal, credential_headers)
        self._ratelimit = RateLimitService(self._assembly.descriptors, self._limiter, self._metrics)
        self._grpc, self._transport = transport.create(config.server.transport, config.server.max_message_bytes)
        for service in (self._authorization, self._ratelimit, self._health):
            service.register(self._grpc)

    async def run(self) -> None:
        """Serve until told to stop, then drain."""
        await self._start()
        memory.settle()
        background = [asyncio.create_task(self._watch_configuration()), asyncio.create_task(self._watch_store())]
        await self._stop.wait()
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await self._drain()

    async def _start(self) -> None:
        config = self._config
        transport.prepare_socket(config.server.listen)
        await self._limiter.start()
        await self._assembly.start()
        self._grpc.add_insecure_port(config.server.listen)
        await self._grpc.start()
        transport.restrict_socket(config.server.listen)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        for component in (OVERALL, CONFIGURATION):
            await self._health.set(component, serving=True)
        if config.server.health:
            await self._health.listen(config.server.health)
        self._log.info(
            "serving",
            address=config.server.listen,
            transport=self._transport,
            version=sidecar.__version__,
            state="redis" if config.redis else "memory",
        )
        if config.redis is None:
            self._log.warning("buckets_in_memory", problem="limits hold for this replica alone", fix="configure redis")

    async def _drain(self) -> None:
        longest = self._config.server.drain
        self._log.info("draining", seconds=longest)
        await self._health.drain()
        await self._until_quiet(longest)
        await self._grpc.stop(longest)
        await self._health.stop()
        await self._assembly.stop()
        await self._limiter.stop()
        await asyncio.to_thread(self._telemetry.stop)
        self._log.info("stopped")

    async def _until_quiet(self, longest: float) -> None:
        """Go on answering until Envoy has stopped asking: it drains too, and every refusal now is a lost request."""
        deadline = time.monotonic() + longest
        calls, since = self._metrics.calls(), time.monotonic()
        while time.monotonic() < deadline and time.monotonic() - since < _QUIET:
            await asyncio.sleep(0.05)
            if (now := self._metrics.calls()) != calls:
                calls, since = now, time.monotonic()

    async def _watch_store(self) -> None:
        while True:
            await self._health.set(REDIS, serving=self._limiter.healthy)
            await asyncio.sleep(1)

    async def _watch_configuration(self) -> None:
        """Follow the configuration's folder: Kubernetes swaps a link in it, editors write the file anew."""
        async for _ in awatch(self._path.parent, stop_event=self._stop, recursive=False):
            try:
                await self._reload()
            except PortcullisError as fault:
                self._metrics.reloads.add(1, "refused")
                await self._health.set(CONFIGURATION, serving=False)
                self._log.error("reload_refused", problem=str(fault))
            else:
                await self._health.set(CONFIGURATION, serving=True)

    async def _reload(self) -> None:
        config = load(self._path)
        read = _state(config)
        if read == self._read:
            return
        successor = assemble(config, self._limiter, self._metrics)
        await successor.start()
        for section in _FIXED:
            if getattr(config, section) != getattr(self._config, section):
                self._log.warning("restart_needed", key=section)
        predecessor, self._assembly, self._read = self._assembly, successor, read
        self._authorization.replace(successor.policy, successor.authentication.credential_headers)
        self._ratelimit.replace(successor.descriptors)
        await predecessor.stop()
        self._metrics.reloads.add(1, "applied")
        self._log.info("reloaded", file=str(self._path))


def _state(config: Config) -> tuple[Config, list[tuple[str, int, int, int]]]:
    """What a configuration says, with the state of the files that inspectors read: any change is a reason to reload.

    Keys and descriptors follow their own files.
    """
    files = []
    for path in sorted(_paths(config.inspection)):
        with contextlib.suppress(OSError):
            found = path.stat()
            files.append((str(path), found.st_ino, found.st_mtime_ns, found.st_size))
    return config, files


def _paths(value: object) -> set[Path]:
    if isinstance(value, Path):
        return {value}
    if isinstance(value, BaseModel):
        return set().union(*(_paths(getattr(value, name)) for name in type(value).model_fields))
    if isinstance(value, tuple):
        return set().union(*map(_paths, value))
    return set()

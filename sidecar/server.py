"""The composition root: a configuration file becomes a running server; start, reload, drain, stop."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import structlog
import uvloop
from watchfiles import awatch

import sidecar
from sidecar import limits, logs, transport
from sidecar.assembly import assemble
from sidecar.config import Config, load
from sidecar.errors import PortcullisError
from sidecar.health import CONFIGURATION, OVERALL, REDIS, Health
from sidecar.journal import Journal
from sidecar.metrics import Metrics
from sidecar.services.authorization import AuthorizationService
from sidecar.telemetry import Telemetry

_QUIET = 0.5  # seconds without a call after which draining is over
_FIXED = ("server", "redis", "buckets", "telemetry")  # sections that only a restart can change


def run(path: Path) -> None:
    """Serve until SIGTERM or SIGINT; raises ConfigurationError before anything listens."""
    config = load(path)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Server(path, config).run())


class Server:
    """One sidecar process."""

    def __init__(self, path: Path, config: Config) -> None:
        self._path = path
        self._config = config
        self._metrics = Metrics()
        self._stop = asyncio.Event()
        logs.configure(config.telemetry.log_level)
        self._log = structlog.get_logger()
        self._limiter = limits.open_limiter(config.buckets, config.redis, self._metrics)
        self._assembly = assemble(config, self._limiter, self._metrics)

    async def run(self) -> None:
        """Start, serve until told to stop, drain."""
        config = self._config
        server, transport_name = transport.create(config.server.transport, config.server.max_message_bytes)
        transport.prepare_socket(config.server.listen)
        telemetry = Telemetry(config.telemetry, self._metrics)
        journal = Journal(self._metrics, telemetry, log_allowed=config.telemetry.log_allowed)
        health = Health()
        health.register(server)
        await self._limiter.start()
        await self._assembly.start()
        door = AuthorizationService(self._assembly.policy, journal, self._assembly.authentication.credential_headers)
        door.register(server)
        server.add_insecure_port(config.server.listen)
        await server.start()
        transport.restrict_socket(config.server.listen)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        for component in (OVERALL, CONFIGURATION):
            await health.set(component, serving=True)
        if config.server.health:
            await health.listen(config.server.health)
        self._log.info(
            "serving",
            address=config.server.listen,
            transport=transport_name,
            version=sidecar.__version__,
            state="redis" if config.redis else "memory",
        )
        if config.redis is None:
            self._log.warning("buckets_in_memory", problem="limits hold for this replica alone", fix="configure redis")
        background = [
            asyncio.create_task(self._watch_configuration(door, health)),
            asyncio.create_task(self._watch_store(health)),
        ]
        await self._stop.wait()
        self._log.info("draining", seconds=config.server.drain)
        await health.drain()
        await self._until_quiet(config.server.drain)
        await server.stop(config.server.drain)
        await health.stop()
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await self._assembly.stop()
        await self._limiter.stop()
        await asyncio.to_thread(telemetry.stop)
        self._log.info("stopped")

    async def _until_quiet(self, longest: float) -> None:
        """Go on answering until Envoy has stopped asking: it drains too, and every refusal now is a lost request."""
        deadline = time.monotonic() + longest
        calls, since = self._metrics.calls(), time.monotonic()
        while time.monotonic() < deadline and time.monotonic() - since < _QUIET:
            await asyncio.sleep(0.05)
            if (now := self._metrics.calls()) != calls:
                calls, since = now, time.monotonic()

    async def _watch_store(self, health: Health) -> None:
        while True:
            await health.set(REDIS, serving=self._limiter.healthy)
            await asyncio.sleep(1)

    async def _watch_configuration(self, door: AuthorizationService, health: Health) -> None:
        """Follow the configuration's folder: Kubernetes swaps a link in it, editors write the file anew."""
        async for _ in awatch(self._path.parent, stop_event=self._stop, recursive=True):
            try:
                await self._reload(door)
            except PortcullisError as fault:
                self._metrics.reloads.add(1, "refused")
                await health.set(CONFIGURATION, serving=False)
                self._log.error("reload_refused", problem=str(fault))
            else:
                await health.set(CONFIGURATION, serving=True)

    async def _reload(self, door: AuthorizationService) -> None:
        config = load(self._path)
        if config == self._config:
            return
        for section in _FIXED:
            if getattr(config, section) != getattr(self._config, section):
                self._log.warning("restart_needed", key=section)
        successor = assemble(config, self._limiter, self._metrics)
        await successor.start()
        predecessor, self._assembly, self._config = self._assembly, successor, config
        door.replace(successor.policy, successor.authentication.credential_headers)
        await predecessor.stop()
        self._metrics.reloads.add(1, "applied")
        self._log.info("reloaded", file=str(self._path))

"""Health: what gRPC health probes are told, by component."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio

from sidecar.errors import ConfigurationError

OVERALL, REDIS, CONFIGURATION = "", "redis", "configuration"


class Health:
    """The state of the process ("") and of the components `redis` and `configuration`.

    Redis being away does not stop the process from serving: each limit says what happens then. A probe that asks for
    "" therefore keeps the pod in service; one that asks for `redis` sees the fault.
    """

    def __init__(self) -> None:
        self._servicer = health_aio.HealthServicer()
        self._probes: grpc.aio.Server | None = None

    def register(self, server: grpc.aio.Server) -> None:
        """Serve `grpc.health.v1.Health` on `server`."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def listen(self, address: str) -> int:
        """Answer probes, and nothing else, on `address` too; returns the port.

        Raises ConfigurationError when the address can't be had.
        """
        self._probes = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self.register(self._probes)
        try:
            port: int = self._probes.add_insecure_port(address)
        except RuntimeError as fault:
            raise ConfigurationError("server", "health", f"can't listen on {address}", "name a free port") from fault
        await self._probes.start()
        return port

    async def stop(self) -> None:
        """Stop answering probes on the address of `listen`."""
        if self._probes is not None:
            await self._probes.stop(None)

    async def set(self, component: str, *, serving: bool) -> None:
        """Report a component's state; watchers are told at once."""
        status = health_pb2.HealthCheckResponse
        await self._servicer.set(component, status.SERVING if serving else status.NOT_SERVING)

    async def drain(self) -> None:
        """Report NOT_SERVING for everything, for good."""
        await self._servicer.enter_graceful_shutdown()

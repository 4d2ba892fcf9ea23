"""Health on a port of its own, for probes that can't reach the Unix socket."""

from __future__ import annotations

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from sidecar._pb import authorization_pb2, authorization_pb2_grpc
from sidecar.errors import ConfigurationError
from sidecar.health import OVERALL, REDIS, Health

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def ask(port: int, component: str) -> int:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=component))
        status: int = answer.status
        return status


async def test_the_port_tells_what_is_set_and_that_the_process_drains() -> None:
    health = Health()
    port = await health.listen("127.0.0.1:0")
    try:
        await health.set(OVERALL, serving=True)
        await health.set(REDIS, serving=False)
        assert (await ask(port, OVERALL), await ask(port, REDIS)) == (SERVING, NOT_SERVING)
        await health.drain()
        assert await ask(port, OVERALL) == NOT_SERVING
    finally:
        await health.stop()


async def test_the_port_decides_nothing() -> None:
    health = Health()
    port = await health.listen("127.0.0.1:0")
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = authorization_pb2_grpc.AuthorizationStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await stub.Check(authorization_pb2.CheckRequest())
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    finally:
        await health.stop()


async def test_a_port_in_use_is_a_configuration_error() -> None:
    first, second = Health(), Health()
    port = await first.listen("127.0.0.1:0")
    try:
        with pytest.raises(ConfigurationError, match="health"):
            await second.listen(f"127.0.0.1:{port}")
    finally:
        await second.stop()
        await first.stop()


async def test_stopping_without_a_port_does_nothing() -> None:
    await Health().stop()

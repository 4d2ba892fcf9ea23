"""Redis behind TLS: the server is verified, and a stranger's certificate is not trusted with our buckets."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sidecar.limits import BucketSettings, open_limiter
from sidecar.limits.limit import Charge, Limit
from sidecar.metrics import Metrics
from sidecar.redis_connection import RedisSettings
from tests.harness.certificates import Authority, ServerCertificate
from tests.harness.redis_server import RedisServer

CHARGE = Charge(Limit("daily", 100, 86_400_000_000, 100), "{tls}:k")


@asynccontextmanager
async def tls_in_front(port: int, server: ServerCertificate) -> AsyncIterator[int]:
    """End TLS before a server that may have been built without it; the port to go to."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key)
    front = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with front:
        yield front.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("authority", "host", "verified"), [("ours", "localhost", True), ("theirs", "localhost", False)]
)
async def test_a_server_is_verified(
    redis_node: RedisServer, tmp_path: Path, authority: str, host: str, verified: bool
) -> None:
    authorities = {name: Authority(tmp_path, name) for name in ("ours", "theirs")}
    certificate = authorities["ours"].issue("redis", host)
    async with tls_in_front(redis_node.port, certificate) as port:
        settings = RedisSettings(
            url=f"rediss://localhost:{port}/0",
            ca_file=authorities[authority].certificate,
            prefix=f"{authority}-{host[:4]}",
        )
        made = open_limiter(BucketSettings(deadline=1, replicas=1), settings, Metrics())
        taken = await made.take([CHARGE])
        await made.stop()
    assert taken.degraded is not verified
    assert redis_node.client().exists(f"{authority}-{host[:4]}:b:{CHARGE.key}") == verified

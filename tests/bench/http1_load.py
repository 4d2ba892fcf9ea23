"""HTTP/1.1 clients that send one prepared request over TLS: one at a time, or at a fixed rate whatever comes back."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from pathlib import Path

_END_OF_HEAD = b"\r\n\r\n"
_CONNECTIONS = 64


def request(credential: str, body: bytes) -> bytes:
    """A chat completion as bytes."""
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {credential}\r\nUser-Agent: bench\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def one_at_a_time(port: int, authority: Path, sent: bytes, count: int) -> list[float]:
    """Latencies in seconds of `count` requests, one after the other, on one connection. All must be answered 200."""
    tls = ssl.create_default_context(cafile=str(authority))
    latencies = []
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        tls.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            begun = time.perf_counter()
            connection.sendall(sent)
            received = b""
            while not _complete(received):
                piece = connection.recv(65_536)
                if not piece:
                    raise ConnectionError("Envoy closed the connection")
                received += piece
            latencies.append(time.perf_counter() - begun)
            if not _is_200(received):
                raise ValueError(f"not let pass: {received[:400]!r}")
    return latencies


async def at_fixed_rate(port: int, authority: Path, sent: bytes, rate: int, seconds: float) -> tuple[list[float], int]:
    """Latencies in seconds of requests that are due every 1/`rate` s, counted from when each was due; how many failed.

    A request that waits for a free connection, or for this client, waits on the clock: nothing is left out because the
    answer before it was slow.
    """
    tls = ssl.create_default_context(cafile=str(authority))
    pool: asyncio.LifoQueue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.LifoQueue()
    for _ in range(_CONNECTIONS):
        pool.put_nowait(await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname="localhost"))
    latencies: list[float] = []
    failed = 0
    loop = asyncio.get_running_loop()

    async def ask(due: float) -> None:
        nonlocal failed
        reader, writer = await pool.get()
        writer.write(sent)
        head = await reader.readuntil(_END_OF_HEAD)
        await reader.readexactly(_body_length(head))
        latencies.append(loop.time() - due)
        pool.put_nowait((reader, writer))
        failed += not _is_200(head)

    start = loop.time() + 0.1
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            due = start + number / rate
            if (pause := due - loop.time()) > 0:
                await asyncio.sleep(pause)
            group.create_task(ask(due))
    while not pool.empty():
        _, writer = pool.get_nowait()
        writer.transport.abort()
    return latencies, failed


def _complete(received: bytes) -> bool:
    head, found, body = received.partition(_END_OF_HEAD)
    return bool(found) and len(body) >= _body_length(head)


def _body_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError("an answer without content-length")


def _is_200(answer: bytes) -> bool:
    return answer.startswith(b"HTTP/1.1 200 ")

"""An HTTP server on loopback that answers as a test tells it to, badly too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class ScriptedServer:
    """`answers` maps a path to (status, headers, body); `delay` comes before each answer; `requests` were received."""

    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    delay: float = 0.0
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    def say(self, path: str, body: bytes, status: int = 200, **headers: str) -> None:
        """Answer `path` with this from now on."""
        self.answers[path] = (status, {"content-type": "application/json", **headers}, body)

    async def answer(self, request: web.Request) -> web.Response:
        """One answer."""
        self.requests.append((request.path, dict(request.headers), await request.read()))
        await asyncio.sleep(self.delay)
        status, headers, body = self.answers.get(request.path, (404, {}, b""))
        return web.Response(status=status, headers=headers, body=body)


@asynccontextmanager
async def scripted_server() -> AsyncIterator[ScriptedServer]:
    """A running server."""
    script = ScriptedServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    script.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield script
    finally:
        await runner.cleanup()

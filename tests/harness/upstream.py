"""A small LLM API over TLS, speaking OpenAI's and Anthropic's formats, that remembers what it was sent."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.harness.certificates import ServerCertificate
from tests.harness.waiting import HarnessError

_Handler = Callable[[web.Request, bytes], Awaitable[web.StreamResponse]]

PIECES = ("The ", "gate ", "is ", "open", ".")


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as the upstream saw it. `headers` keeps order and repetition; names are lower case."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> list[str]:
        """All values of one header."""
        return [value for key, value in self.headers if key == name]


class Upstream:
    """Serves on a free port of 127.0.0.1 from construction on, in a thread of its own.

    `pause` seconds pass between the pieces of a streamed answer. After `hold()`, each piece but the first waits
    for one `release()`, so that a test can tell a stream from a buffered answer without measuring time.
    """

    def __init__(self, certificate: ServerCertificate, pause: float = 0.0) -> None:
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate.certificate, certificate.key)
        self._pause = pause
        self._held: asyncio.Semaphore | None = None
        self._lock = threading.Lock()
        self._seen: list[Seen] = []
        self.port = 0
        self._failure: BaseException | None = None
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="upstream", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure:
            raise HarnessError(f"the upstream did not start: {self._failure!r}") from self._failure

    def seen(self) -> list[Seen]:
        """Everything so far, in order of arrival."""
        with self._lock:
            return list(self._seen)

    def last(self) -> Seen:
        """The newest request."""
        return self.seen()[-1]

    def hold(self) -> None:
        """From now on a streamed answer stops after each piece until `release()`."""
        self._held = asyncio.Semaphore(0)

    def release(self) -> None:
        """Let one more piece pass."""
        if self._held is not None:
            self._loop.call_soon_threadsafe(self._held.release)

    def unhold(self) -> None:
        """End what `hold()` began; answers that stand still go on."""
        held, self._held = self._held, None
        if held is not None:
            for _ in range(1000):
                self._loop.call_soon_threadsafe(held.release)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:  # handed to the thread that waits for the start
            self._failure = error
        finally:
            self._ready.set()
            self._loop.close()

    async def _serve(self) -> None:
        application = web.Application(client_max_size=64 << 20)
        application.router.add_post("/v1/chat/completions", self._answer(self._chat))
        application.router.add_post("/v1/messages", self._answer(self._messages))
        application.router.add_get("/v1/models", self._answer(self._models))
        application.router.add_route("*", "/{path:.*}", self._answer(self._unknown))
        runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        await self._ended.wait()
        await runner.cleanup()

    def _answer(self, handler: _Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            headers = tuple((name.lower(), value) for name, value in request.headers.items())
            with self._lock:
                self._seen.append(Seen(request.method, request.raw_path, headers, body))
            return await handler(request, body)

        return handle

    async def _chat(self, request: web.Request, body: bytes) -> web.StreamResponse:
        asked = _read(body)
        common = {"id": "chatcmpl-1", "created": 1, "model": asked.get("model", "")}
        if not asked.get("stream"):
            message = {"role": "assistant", "content": "".join(PIECES)}
            usage = {"prompt_tokens": 5, "completion_tokens": len(PIECES), "total_tokens": 5 + len(PIECES)}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return web.json_response({**common, "object": "chat.completion", "choices": [choice], "usage": usage})
        events = [
            {
                **common,
                "object": "chat.completion.chunk",
                "choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}],
            }
            for piece in PIECES
        ]
        return await self._stream(
            request, [f"data: {json.dumps(event)}\n\n" for event in events] + ["data: [DONE]\n\n"]
        )

    async def _messages(self, request: web.Request, body: bytes) -> web.StreamResponse:
        asked = _read(body)
        message = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": asked.get("model", ""),
            "stop_sequence": None,
        }
        usage = {"input_tokens": 5, "output_tokens": len(PIECES)}
        if not asked.get("stream"):
            content = [{"type": "text", "text": "".join(PIECES)}]
            return web.json_response({**message, "content": content, "stop_reason": "end_turn", "usage": usage})
        delta = {"type": "content_block_delta", "index": 0}
        events: list[dict[str, Any]] = [
            {"type": "message_start", "message": {**message, "content": [], "stop_reason": None, "usage": usage}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            *({**delta, "delta": {"type": "text_delta", "text": piece}} for piece in PIECES),
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage},
            {"type": "message_stop"},
        ]
        return await self._stream(request, [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events])

    async def _models(self, _request: web.Request, _body: bytes) -> web.StreamResponse:
        model = {"id": "small-1", "object": "model", "created": 1, "owned_by": "portcullis"}
        return web.json_response({"object": "list", "data": [model]})

    async def _unknown(self, _request: web.Request, _body: bytes) -> web.StreamResponse:
        error = {"type": "not_found_error", "message": "no such path"}
        return web.json_response({"type": "error", "error": error}, status=404)

    async def _stream(self, request: web.Request, pieces: list[str]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream", "x-powered-by": "a secret"})
        await response.prepare(request)
        for number, piece in enumerate(pieces):
            if number and self._held is not None:
                await self._held.acquire()
            elif number:
                await asyncio.sleep(self._pause)
            await response.write(piece.encode())
        await response.write_eof()
        return response

    def stop(self) -> None:
        """Stop listening and end what is under way; harmless when done already."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _read(body: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(body)
    except ValueError:
        return {}
    return asked if isinstance(asked, dict) else {}

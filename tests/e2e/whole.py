"""The whole gateway, as the end-to-end tests talk to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from tests.harness.client import RawAnswer
from tests.harness.gateway import Gateway, start_gateway

CONFIGURATION = Path(__file__).parent / "configuration"
TRANSPORTS = ("native", "grpcio")
CHAT = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Whole:
    """The running gateway, and a key that may do what most tests do."""

    gateway: Gateway
    key: str

    @property
    def bearer(self) -> dict[str, str]:
        """The key, as a header."""
        return {"authorization": f"Bearer {self.key}"}

    def send(self, method: str, path: str, *, http2: bool = False, **content: Any) -> httpx2.Response:
        """One request on a connection of its own."""
        with self.gateway.pod.client(http2=http2) as client:
            return client.request(method, path, **content)

    def chat(self, content: str = "hello", headers: dict[str, str] | None = None, **more: Any) -> httpx2.Response:
        """Ask for a chat completion, with the key unless other headers are given."""
        sent = self.bearer if headers is None else headers
        return self.send("POST", CHAT, headers=sent, json=question(content, **more))

    def raw_chat(self, lines: bytes, body: bytes | None = None) -> RawAnswer:
        """Ask with these very header lines, each ended by CR LF, and this very body."""
        sent = json.dumps(question()).encode() if body is None else body
        head = f"POST {CHAT} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {len(sent)}\r\n"
        return self.gateway.pod.raw(head.encode() + lines + b"\r\n" + sent)


def question(content: str = "hello", **more: Any) -> dict[str, Any]:
    """A body for chat completions and for messages."""
    return {"model": "small-1", "max_tokens": 16, "messages": [{"role": "user", "content": content}], **more}


@contextmanager
def start_whole(folder: Path, transport: str, *, pods: int = 1, **changes: object) -> Iterator[Whole]:
    """Start everything with the given transport; an underscore pair in a name stands for a dot."""
    dotted = {name.replace("__", "."): value for name, value in changes.items()}
    with start_gateway(folder, CONFIGURATION, pods=pods, changes={"server.transport": transport, **dotted}) as gateway:
        yield Whole(gateway, gateway.pod.sidecar.create_key(tenant="acme", plan="standard", scope="llm:write"))

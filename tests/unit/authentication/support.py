"""What the tests of identity share."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sidecar.authentication import Authentication, AuthenticationSettings, build
from sidecar.authentication.api_keys import KeyAdministration, open_store
from sidecar.metrics import Metrics
from sidecar.request import HttpRequest
from tests.harness import jwt_workshop as issuer

MASTER = base64.b64encode(bytes(range(32))).decode()


def request(*headers: tuple[str, str], address: str = "192.0.2.1", **fields: Any) -> HttpRequest:
    """A request with these headers."""
    sound = {"method": "POST", "path": "/v1/chat/completions", "host": "api.example.com", "scheme": "https"}
    collected: dict[str, tuple[str, ...]] = {}
    for name, value in headers:
        collected[name] = (*collected.get(name, ()), value)
    return HttpRequest(headers=collected, client_ip=address, **{**sound, **fields})


def bearer(value: str, **fields: Any) -> HttpRequest:
    """A request with `Authorization: Bearer value`."""
    return request(("authorization", f"Bearer {value}"), **fields)


def settings(folder: Path, **parts: Any) -> AuthenticationSettings:
    """Settings with paths relative to `folder`."""
    return AuthenticationSettings.model_validate(parts, context={"folder": folder})


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Environment variables for a moment."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def key_tools(configured: AuthenticationSettings) -> KeyAdministration:
    """What `portcullis keys` works with."""
    assert configured.api_keys is not None
    return KeyAdministration(*open_store(configured.api_keys, None))


async def with_jwks(folder: Path, *members: dict[str, Any], **changes: Any) -> Authentication:
    """Authentication that trusts these keys of the test issuer; started."""
    (folder / "jwks.json").write_bytes(issuer.jwks(*members))
    entry = {"issuer": issuer.ISSUER, "audiences": [issuer.AUDIENCE], "jwks_file": "jwks.json", **changes}
    built = build(settings(folder, jwt=[entry], failed_credentials={"failures": 10_000}), None, Metrics())
    await built.start()
    return built


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    """Wait until `check` holds; fail after ten seconds."""
    for _ in range(1000):
        if await check():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came true")

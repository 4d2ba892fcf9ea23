from __future__ import annotations

import asyncio
import json
import time
from base64 import b64decode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.authentication import Authentication, build
from sidecar.errors import ConfigurationError, InvalidCredential, StoreUnavailable, TooManyFailures
from sidecar.metrics import Metrics
from tests.harness.jwt_workshop import AUDIENCE, ISSUER, claims
from tests.harness.scripted_server import ScriptedServer, scripted_server
from tests.unit.authentication.support import bearer, request, settings


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as script:
        active(script)
        yield script


def active(server: ScriptedServer, **changes: Any) -> None:
    server.say("/introspect", json.dumps(claims(**{"active": True, **changes})).encode())


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTROSPECTION_SECRET", "s e/cret")


def gate_for(server: ScriptedServer, failures: int = 10_000, **changes: Any) -> Authentication:
    entry = {
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "endpoint": f"{server.url}/introspect",
        "client_id": "gateway",
        "client_secret_env": "INTROSPECTION_SECRET",
        "timeout": "1s",
        **changes,
    }
    configured = settings(Path(), introspection=entry, failed_credentials={"failures": failures})
    return build(configured, None, Metrics())


@pytest.fixture
async def gate(server: ScriptedServer) -> AsyncIterator[Authentication]:
    built = gate_for(server)
    yield built
    await built.stop()


def hands(gate: Authentication) -> Any:
    return gate._verifiers.introspection


async def test_active_token_is_asked_about_once(server: ScriptedServer, gate: Authentication) -> None:
    for _ in range(3):
        principal = await gate.authenticate(bearer("opaque-1"))
        assert principal is not None
        assert (principal.id, principal.kind) == (f"jwt:{ISSUER}|alice", "opaque")
        assert principal.scopes == {"llm:read", "llm:write"}
    ((_, headers, body),) = server.requests
    assert body == b"token=opaque-1&token_type_hint=access_token"
    assert b64decode(headers["Authorization"].removeprefix("Basic ")) == b"gateway:s+e%2Fcret"


async def test_crowd_asks_one_question(server: ScriptedServer, gate: Authentication) -> None:
    server.delay = 0.05
    await asyncio.gather(*(gate.authenticate(bearer("opaque-1")) for _ in range(30)))
    assert len(server.requests) == 1


async def test_answer_may_leave_out_issuer_and_expiry(server: ScriptedServer, gate: Authentication) -> None:
    active(server, iss=None, exp=None, iat=None, jti=None)
    assert await gate.authenticate(bearer("opaque-1")) is not None


NOW = int(time.time())


@pytest.mark.parametrize(
    "changes",
    [
        {"active": False},
        {"active": "true"},
        {"active": 1},
        {"active": None},
        {"iss": "https://evil.example"},
        {"aud": "other"},
        {"aud": None},
        {"exp": NOW - 60},
        {"exp": str(NOW + 60)},
        {"nbf": NOW + 6000},
        {"sub": "a\r\nb"},
        {"scope": ["llm:write"]},
        {"scope": "llm:read\tllm:write"},
        {"cnf": {}},
    ],
)
async def test_unacceptable_answer_is_a_refusal_and_remembered(
    server: ScriptedServer, gate: Authentication, changes: dict[str, Any]
) -> None:
    active(server, **changes)
    for _ in range(3):
        with pytest.raises(InvalidCredential):
            await gate.authenticate(bearer("opaque-1"))
    assert len(server.requests) == 1


BAD_ANSWERS = [
    (500, b"", {}),
    (401, b"{}", {}),
    (200, b"<html>", {}),
    (200, b"[]", {}),
    (200, b"", {}),
    (200, b"[" * 30_000, {}),
    (200, b" " * 10_000_000, {}),
    (302, b"", {"location": "/introspect"}),
    (200, b"\xff", {}),
]


@pytest.mark.parametrize(("status", "body", "headers"), BAD_ANSWERS)
async def test_known_token_goes_on_and_new_one_is_refused_while_the_server_is_sick(
    server: ScriptedServer, gate: Authentication, status: int, body: bytes, headers: dict[str, str]
) -> None:
    await gate.authenticate(bearer("opaque-1"))
    server.say("/introspect", body, status, **headers)
    known = hands(gate)
    known._monotonic = lambda: time.monotonic() + 100  # beyond active_ttl
    assert await gate.authenticate(bearer("opaque-1")) is not None
    with pytest.raises(StoreUnavailable):
        await gate.authenticate(bearer("opaque-2"))
    asked = len(server.requests)
    with pytest.raises(StoreUnavailable):
        await gate.authenticate(bearer("opaque-3"))
    assert len(server.requests) == asked  # a sick server is left alone for a moment
    known._monotonic = lambda: time.monotonic() + 1000  # beyond max_stale
    with pytest.raises(StoreUnavailable):
        await gate.authenticate(bearer("opaque-1"))


async def test_slow_server_is_given_up(server: ScriptedServer) -> None:
    server.delay = 5
    gate = gate_for(server, timeout="50ms")
    with pytest.raises(StoreUnavailable):
        await gate.authenticate(bearer("opaque-1"))
    await gate.stop()


async def test_token_revoked_at_the_server_ends_with_the_next_question(
    server: ScriptedServer, gate: Authentication
) -> None:
    await gate.authenticate(bearer("opaque-1"))
    active(server, active=False)
    hands(gate)._monotonic = lambda: time.monotonic() + 61
    with pytest.raises(InvalidCredential, match="opaque_inactive"):
        await gate.authenticate(bearer("opaque-1"))


async def test_expiry_is_checked_on_every_showing(server: ScriptedServer, gate: Authentication) -> None:
    await gate.authenticate(bearer("opaque-1"))
    hands(gate)._clock = lambda: time.time() + 7 * 3600
    with pytest.raises(InvalidCredential, match="opaque_expired"):
        await gate.authenticate(bearer("opaque-1"))


async def test_guessing_stops_before_the_server_is_asked(server: ScriptedServer) -> None:
    active(server, active=False)
    gate = gate_for(server, failures=3)
    for number in range(3):
        with pytest.raises(InvalidCredential):
            await gate.authenticate(bearer(f"guess-{number}"))
    with pytest.raises(TooManyFailures):
        await gate.authenticate(bearer("guess-4"))
    assert len(server.requests) == 3
    await gate.stop()


async def test_questions_at_once_are_bounded(server: ScriptedServer) -> None:
    server.delay = 0.1
    gate = gate_for(server, concurrency=2)
    asking = [asyncio.create_task(gate.authenticate(bearer(f"opaque-{n}"))) for n in range(6)]
    await asyncio.sleep(0.05)
    assert len(server.requests) == 2
    await asyncio.gather(*asking)
    await gate.stop()


async def test_long_token_and_key_header_are_not_asked_about(server: ScriptedServer, gate: Authentication) -> None:
    with pytest.raises(InvalidCredential):
        await gate.authenticate(bearer("a" * 2049))
    assert await gate.authenticate(request(("x-api-key", "opaque"))) is None
    assert server.requests == []


def test_missing_secret_is_refused_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INTROSPECTION_SECRET")
    with pytest.raises(ConfigurationError, match="INTROSPECTION_SECRET"):
        gate_for(ScriptedServer(url="http://127.0.0.1:1"))

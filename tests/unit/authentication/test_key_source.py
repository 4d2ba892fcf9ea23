from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.authentication import Authentication, build
from sidecar.errors import ConfigurationError, InvalidCredential
from sidecar.metrics import Metrics
from tests.harness.jwt_workshop import AUDIENCE, ISSUER, claims, jwk, jwks, private_key, sign
from tests.harness.scripted_server import ScriptedServer, scripted_server
from tests.unit.authentication.support import bearer, eventually, settings

OLD, NEW = private_key("p256", "old"), private_key("p256", "new")
GOOD = jwks(jwk(OLD, kid="old"))


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as script:
        script.say("/jwks", GOOD)
        yield script


async def gate_for(server: ScriptedServer, **changes: Any) -> Authentication:
    entry = {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks_uri": f"{server.url}/jwks", **changes}
    gate = build(settings(Path(), jwt=[entry], failed_credentials={"failures": 10**6}), None, Metrics())
    await gate.start()
    return gate


async def accepted(gate: Authentication, value: str) -> bool:
    try:
        await gate.authenticate(bearer(value))
    except InvalidCredential:
        return False
    return True


async def becomes(gate: Authentication, value: str, *, expected: bool) -> None:
    async def done() -> bool:
        return await accepted(gate, value) == expected

    await eventually(done)


def source(gate: Authentication) -> Any:
    jwts = gate._verifiers.jwts
    assert jwts is not None
    return next(iter(jwts._issuers.values())).source


async def test_keys_are_there_when_start_returns(server: ScriptedServer) -> None:
    gate = await gate_for(server)
    assert await accepted(gate, sign(claims(), OLD, kid="old"))
    await gate.stop()


async def test_unknown_kid_brings_the_new_key_without_waiting_for_the_interval(server: ScriptedServer) -> None:
    gate = await gate_for(server, refresh_cooldown=1)
    server.say("/jwks", jwks(jwk(OLD, kid="old"), jwk(NEW, kid="new")))
    value = sign(claims(), NEW, kid="new")
    assert not await accepted(gate, value)
    await becomes(gate, value, expected=True)
    await gate.stop()


async def test_flood_of_unknown_kids_asks_no_more_than_the_cooldown_allows(server: ScriptedServer) -> None:
    gate = await gate_for(server, refresh_cooldown=30)
    good = sign(claims(), OLD, kid="old")
    for number in range(500):
        assert not await accepted(gate, sign(claims(), NEW, kid=f"random-{number}"))
        if number % 50 == 0:
            await asyncio.sleep(0)
            assert await accepted(gate, good)
    await asyncio.sleep(0.1)
    assert len(server.requests) == 1
    await gate.stop()


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (500, b"", {}),
        (404, b"", {}),
        (200, b"<html>oops</html>", {}),
        (200, b"", {}),
        (200, b'{"keys":[]}', {}),
        (200, b'{"keys":[{"kty":"oct","k":"AAAA"}]}', {}),
        (200, b" " * 10_000_000, {}),
        (302, b"", {"location": "/other"}),
        (200, b"\x1f\x8b\x08", {"content-encoding": "gzip"}),
        (204, b"", {}),
    ],
)
async def test_bad_answer_leaves_the_known_keys_in_force(
    server: ScriptedServer, status: int, body: bytes, headers: dict[str, str]
) -> None:
    server.say("/other", jwks(jwk(NEW, kid="new")))
    gate = await gate_for(server, refresh_cooldown=1, refresh_interval=1)
    server.say("/jwks", body, status, **headers)

    async def asked_again() -> bool:
        return len(server.requests) >= 2

    await eventually(asked_again)
    await asyncio.sleep(0.05)
    assert await accepted(gate, sign(claims(), OLD, kid="old"))
    assert not await accepted(gate, sign(claims(), NEW, kid="new"))
    assert all(path == "/jwks" for path, _, _ in server.requests)
    await gate.stop()


async def test_slow_server_does_not_hold_up_start_for_ever(server: ScriptedServer) -> None:
    server.delay = 60
    gate = await gate_for(server)
    assert not await accepted(gate, sign(claims(), OLD, kid="old"))
    await gate.stop()


async def test_absent_server_is_asked_again(server: ScriptedServer) -> None:
    server.say("/jwks", b"", 503)
    gate = await gate_for(server)
    assert not await accepted(gate, sign(claims(), OLD, kid="old"))
    server.say("/jwks", GOOD)
    await becomes(gate, sign(claims(), OLD, kid="old"), expected=True)
    await gate.stop()


async def test_withdrawn_key_ends_verified_jwts_too(server: ScriptedServer) -> None:
    gate = await gate_for(server, refresh_interval=1)
    value = sign(claims(), OLD, kid="old")
    assert await accepted(gate, value)
    server.say("/jwks", jwks(jwk(NEW, kid="old")))
    await becomes(gate, value, expected=False)
    await gate.stop()


async def test_known_keys_end_when_they_are_too_old(server: ScriptedServer) -> None:
    gate = await gate_for(server, max_stale=0)
    value = sign(claims(), OLD, kid="old")
    assert await accepted(gate, value)
    server.say("/jwks", b"", 500)
    source(gate)._monotonic = lambda: 10.0**9
    assert not await accepted(gate, value)
    await gate.stop()


@pytest.mark.parametrize("place", ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"])
async def test_keys_are_discovered(server: ScriptedServer, place: str) -> None:
    server.say(place, json.dumps({"issuer": server.url, "jwks_uri": f"{server.url}/jwks"}).encode())
    gate = await gate_for(server, issuer=server.url, jwks_uri=None)
    assert await accepted(gate, sign(claims(iss=server.url), OLD, kid="old"))
    await gate.stop()


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://other.example", "jwks_uri": "{url}/jwks"},
        {"issuer": "{url}/", "jwks_uri": "{url}/jwks"},
        {"issuer": "{url}"},
        {"issuer": "{url}", "jwks_uri": "http://192.0.2.1/jwks"},
        {"issuer": "{url}", "jwks_uri": "file:///etc/passwd"},
        {"issuer": "{url}", "jwks_uri": ["{url}/jwks"]},
        [],
    ],
)
async def test_false_metadata_bring_no_keys(server: ScriptedServer, metadata: Any) -> None:
    text = json.dumps(metadata).replace("{url}", server.url)
    server.say("/.well-known/openid-configuration", text.encode())
    gate = await gate_for(server, issuer=server.url, jwks_uri=None)
    assert not await accepted(gate, sign(claims(iss=server.url), OLD, kid="old"))
    assert "/jwks" not in {path for path, _, _ in server.requests}
    await gate.stop()


async def test_header_that_names_a_key_server_is_never_followed(server: ScriptedServer) -> None:
    gate = await gate_for(server, refresh_cooldown=1)
    before = len(server.requests)
    for name in ("jku", "x5u"):
        for place in (f"{server.url}/evil", "http://169.254.169.254/", "file:///etc/passwd"):
            assert not await accepted(gate, sign(claims(), NEW, kid="new", **{name: place}))
    await asyncio.sleep(0.1)
    assert len(server.requests) == before
    await gate.stop()


async def test_changed_key_file_is_read_and_a_damaged_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(GOOD)
    entry = {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks_file": "jwks.json"}
    gate = build(settings(tmp_path, jwt=[entry]), None, Metrics())
    await gate.start()
    path.write_bytes(b"oops")
    await asyncio.sleep(1.2)
    assert await accepted(gate, sign(claims(), OLD, kid="old"))
    path.write_bytes(jwks(jwk(NEW, kid="new")))
    await becomes(gate, sign(claims(), NEW, kid="new"), expected=True)
    assert not await accepted(gate, sign(claims(), OLD, kid="old"))
    await gate.stop()


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"keys":[]}'])
def test_unusable_key_file_is_refused_at_start(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "jwks.json").write_bytes(content)
    entry = {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks_file": "jwks.json"}
    with pytest.raises(ConfigurationError, match=r"jwks\.json"):
        build(settings(tmp_path, jwt=[entry]), None, Metrics())


@pytest.mark.parametrize(
    "change",
    [
        {"jwks_uri": "http://idp.example.com/jwks"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "https://user:password@idp.example.com/jwks"},
        {"jwks_uri": "https://a/jwks", "jwks_file": "x"},
        {"issuer": "not a url"},
        {"issuer": "http://idp.example.com"},
        {"issuer": "a|b", "jwks_file": "x"},
        {"audiences": []},
        {"algorithms": ["HS256"]},
        {"algorithms": ["none"]},
        {"algorithms": []},
        {"leeway": "2m"},
    ],
)
def test_unsafe_issuer_settings_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        settings(Path(), jwt=[{"issuer": ISSUER, "audiences": [AUDIENCE], **change}])

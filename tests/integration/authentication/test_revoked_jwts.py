from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.authentication import Authentication, AuthenticationSettings, build
from sidecar.authentication.revoked_jwts import Revocation, RevokedJwts
from sidecar.errors import InvalidCredential
from sidecar.metrics import Metrics
from sidecar.redis_connection import RedisSettings, connect
from sidecar.request import HttpRequest
from tests.harness.jwt_workshop import AUDIENCE, ISSUER, claims, jwk, jwks, private_key, sign
from tests.harness.redis_server import RedisServer

EC = private_key("p256")


def show(**changes: Any) -> HttpRequest:
    value = sign(claims(**changes), EC, kid="ec")
    return HttpRequest(method="GET", path="/", headers={"authorization": (f"Bearer {value}",)}, client_ip="192.0.2.1")


async def open_gate(folder: Path, redis: RedisSettings) -> Authentication:
    (folder / "jwks.json").write_bytes(jwks(jwk(EC, kid="ec")))
    entry = {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks_file": "jwks.json"}
    gate = build(AuthenticationSettings.model_validate({"jwt": [entry]}, context={"folder": folder}), redis, Metrics())
    await gate.start()
    return gate


@pytest.fixture
async def gate(tmp_path: Path, redis_settings: RedisSettings) -> AsyncIterator[Authentication]:
    built = await open_gate(tmp_path, redis_settings)
    yield built
    await built.stop()


@pytest.fixture
async def revoked(redis_settings: RedisSettings) -> AsyncIterator[RevokedJwts]:
    made = RevokedJwts(connect(redis_settings), redis_settings.prefix)
    yield made
    await made.stop()


async def becomes(gate: Authentication, shown: HttpRequest, code: str) -> None:
    for _ in range(1000):
        try:
            await gate.authenticate(shown)
            found = "ok"
        except InvalidCredential as error:
            found = error.code
        if found == code:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(found)


def soon() -> int:
    return int(time.time()) + 3600


async def test_one_jwt_ends_and_the_subjects_others_go_on(gate: Authentication, revoked: RevokedJwts) -> None:
    doomed, spared = show(jti="a"), show(jti="b")
    await gate.authenticate(doomed)
    await revoked.revoke(Revocation(issuer=ISSUER, jti="a", until=soon()))
    await becomes(gate, doomed, "jwt_revoked")
    await gate.authenticate(spared)


async def test_all_jwts_of_a_subject_end_and_newer_ones_are_taken(gate: Authentication, revoked: RevokedJwts) -> None:
    now = int(time.time())
    old, undated, newer = show(iat=now - 5), show(iat=None), show(iat=now + 2)
    other = show(sub="bob", iat=now - 5)
    await gate.authenticate(old)
    await revoked.revoke(Revocation(issuer=ISSUER, subject="alice", issued_until=now, until=soon()))
    await becomes(gate, old, "jwt_revoked")
    await becomes(gate, undated, "jwt_revoked")
    await gate.authenticate(newer)
    await gate.authenticate(other)


async def test_list_is_known_to_a_replica_that_starts_later(
    tmp_path: Path, redis_settings: RedisSettings, revoked: RevokedJwts
) -> None:
    await revoked.revoke(Revocation(issuer=ISSUER, jti="id-1", until=soon()))
    late = await open_gate(tmp_path, redis_settings)
    await becomes(late, show(), "jwt_revoked")
    await late.stop()


async def test_entry_of_another_issuer_means_nothing(gate: Authentication, revoked: RevokedJwts) -> None:
    await revoked.revoke(Revocation(issuer="https://other.example", jti="id-1", until=soon()))
    await revoked.revoke(Revocation(issuer=ISSUER, jti="marker", until=soon()))
    await becomes(gate, show(jti="marker"), "jwt_revoked")
    await gate.authenticate(show())


async def test_entries_that_are_over_are_dropped(revoked: RevokedJwts, redis: RedisServer) -> None:
    await revoked.revoke(Revocation(issuer=ISSUER, jti="over", until=int(time.time()) - 1))
    await revoked.revoke(Revocation(issuer=ISSUER, jti="valid", until=soon()))
    assert [entry.jti for entry in await revoked.all()] == ["valid"]
    with redis.client() as client:
        assert client.hlen("portcullis:revoked-jwts") == 1


async def test_damaged_entry_hides_no_other(gate: Authentication, revoked: RevokedJwts, redis: RedisServer) -> None:
    with redis.client() as client:
        client.hset("portcullis:revoked-jwts", "x", "not json")
    await revoked.revoke(Revocation(issuer=ISSUER, jti="id-1", until=soon()))
    await becomes(gate, show(), "jwt_revoked")
    assert len(await revoked.all()) == 1


async def test_jwts_go_on_while_redis_is_away(tmp_path: Path, own_redis: RedisServer) -> None:
    own_redis.kill()
    gate = await open_gate(tmp_path, RedisSettings(url=own_redis.url))
    await gate.authenticate(show())
    own_redis.start()
    writer = RevokedJwts(connect(RedisSettings(url=own_redis.url)), "portcullis")
    await writer.revoke(Revocation(issuer=ISSUER, jti="id-1", until=soon()))
    await becomes(gate, show(), "jwt_revoked")
    await writer.stop()
    await gate.stop()

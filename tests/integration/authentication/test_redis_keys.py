from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from sidecar.authentication import Authentication, AuthenticationSettings, build
from sidecar.authentication.api_keys import KeyAdministration, KeyRequest, open_store
from sidecar.errors import ConfigurationError, InvalidCredential, StoreUnavailable
from sidecar.metrics import Metrics
from sidecar.redis_connection import RedisSettings
from sidecar.request import HttpRequest
from tests.harness import redis_server
from tests.harness.redis_server import RedisServer

SETTINGS = AuthenticationSettings.model_validate(
    {
        "api_keys": {"store": "redis", "revocation_bound": 2, "lookup_timeout": 1},
        "failed_credentials": {"failures": 10_000},
    }
)
LIVE = KeyRequest(environment="live")


def show(key: str) -> HttpRequest:
    return HttpRequest(method="GET", path="/", headers={"x-api-key": (key,)}, client_ip="192.0.2.1")


async def code(gate: Authentication, key: str) -> str:
    try:
        await gate.authenticate(show(key))
    except (InvalidCredential, StoreUnavailable) as error:
        return error.code
    return "ok"


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 10.0) -> None:
    """Wait until the condition holds; fail after `seconds`."""
    began = time.monotonic()
    while not await condition():
        assert time.monotonic() - began < seconds
        await asyncio.sleep(0.005)


async def becomes(gates: list[Authentication], key: str, expected: str) -> None:
    async def done() -> bool:
        return [await code(gate, key) for gate in gates] == [expected] * len(gates)

    await until(done)


def administration(redis: RedisSettings) -> KeyAdministration:
    assert SETTINGS.api_keys is not None
    return KeyAdministration(*open_store(SETTINGS.api_keys, redis))


@pytest.fixture
async def keys(redis_settings: RedisSettings) -> AsyncIterator[KeyAdministration]:
    made = administration(redis_settings)
    yield made
    await made._store.close()


@pytest.fixture
async def replicas(redis_settings: RedisSettings) -> AsyncIterator[list[Authentication]]:
    gates = [build(SETTINGS, redis_settings, Metrics()) for _ in range(4)]
    for gate in gates:
        await gate.start()
    yield gates
    for gate in gates:
        await gate.stop()


@pytest.fixture
async def own_keys(own_redis: RedisServer) -> AsyncIterator[KeyAdministration]:
    made = administration(RedisSettings(url=own_redis.url))
    yield made
    await made._store.close()


@pytest.fixture
async def own_gate(own_redis: RedisServer) -> AsyncIterator[Authentication]:
    gate = build(SETTINGS, RedisSettings(url=own_redis.url), Metrics())
    await gate.start()
    yield gate
    await gate.stop()


async def test_key_made_after_start_works_on_every_replica(
    keys: KeyAdministration, replicas: list[Authentication]
) -> None:
    record, key = await keys.create(LIVE)
    assert [await code(gate, key) for gate in replicas] == ["ok"] * 4
    assert (await keys.get(record.id)) == record


async def test_revocation_reaches_every_replica(keys: KeyAdministration, replicas: list[Authentication]) -> None:
    record, key = await keys.create(LIVE)
    for gate in replicas:
        assert await code(gate, key) == "ok"
    await keys.revoke(record.id)
    await becomes(replicas, key, "key_revoked")


async def test_missed_revocation_is_caught_up_after_a_lost_connection(
    own_redis: RedisServer, own_keys: KeyAdministration, own_gate: Authentication
) -> None:
    record, key = await own_keys.create(LIVE)
    assert await code(own_gate, key) == "ok"
    with own_redis.client() as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal")
    await own_keys.revoke(record.id)
    await becomes([own_gate], key, "key_revoked")


async def test_known_key_goes_on_while_redis_hangs(
    own_redis: RedisServer, own_keys: KeyAdministration, own_gate: Authentication
) -> None:
    _, key = await own_keys.create(LIVE)
    _, unseen = await own_keys.create(LIVE)
    assert await code(own_gate, key) == "ok"
    own_redis.pause()
    try:
        assert await code(own_gate, unseen) == "key_store_timeout"
        await asyncio.sleep(2.5)  # beyond revocation_bound
        assert await code(own_gate, key) == "ok"
    finally:
        own_redis.resume()
    await becomes([own_gate], unseen, "ok")


async def test_redis_that_forgot_everything_ends_every_key(
    own_redis: RedisServer, own_keys: KeyAdministration, own_gate: Authentication
) -> None:
    _, key = await own_keys.create(LIVE)
    assert await code(own_gate, key) == "ok"
    own_redis.restart()
    await becomes([own_gate], key, "key_unknown")


async def test_start_without_redis_waits_for_it(own_redis: RedisServer, own_keys: KeyAdministration) -> None:
    own_redis.kill()
    gate = build(SETTINGS, RedisSettings(url=own_redis.url), Metrics())
    await gate.start()
    own_redis.start()
    _, key = await own_keys.create(LIVE)
    await becomes([gate], key, "ok")
    await gate.stop()


async def test_wrong_master_key_is_refused_at_start(
    keys: KeyAdministration, redis_settings: RedisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keys.create(LIVE)
    monkeypatch.setenv("PORTCULLIS_MASTER_KEY", "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg=")
    gate = build(SETTINGS, redis_settings, Metrics())
    with pytest.raises(ConfigurationError, match="master key"):
        await gate.start()
    await gate.stop()


async def test_nothing_readable_reaches_redis(keys: KeyAdministration, redis: RedisServer) -> None:
    _, key = await keys.create(KeyRequest(environment="live", owner="annabel", plan="golden", name="robot"))
    with redis.client(decode_responses=False) as client:
        dump = b"".join(client.dump(name) for name in client.keys("*"))
    for secret in (key, key.split("_")[3], "golden", "robot", "annabel"):
        assert secret.encode() not in dump


async def test_last_use_is_written_when_a_replica_stops(keys: KeyAdministration, redis_settings: RedisSettings) -> None:
    record, key = await keys.create(LIVE)
    other, _ = await keys.create(LIVE)
    gate = build(SETTINGS, redis_settings, Metrics())
    await gate.start()
    before = int(time.time())
    await gate.authenticate(show(key))
    await gate.stop()
    used = await keys.last_used((record.id, other.id))
    assert set(used) == {record.id}
    assert before <= used[record.id] <= time.time()


async def test_commands_at_once_lose_nothing(redis_settings: RedisSettings) -> None:
    crowd = [administration(redis_settings) for _ in range(8)]
    made = await asyncio.gather(*(keys.create(LIVE) for keys in crowd))
    assert len({record.id async for record in crowd[0].all()}) == 8
    assert {record.pepper for record, _ in made} == {"pepper-1"}
    first = made[0][0].id
    await asyncio.gather(*(keys.revoke(first) for keys in crowd))
    assert (await crowd[0].get(first)).revoked_at is not None
    for keys in crowd:
        await keys._store.close()


async def test_destroyed_tenant_is_refused_everywhere(keys: KeyAdministration, replicas: list[Authentication]) -> None:
    _, key = await keys.create(KeyRequest(environment="live", tenant="acme"))
    for gate in replicas:
        assert await code(gate, key) == "ok"
    await keys._keyring.shred("acme")
    await becomes(replicas, key, "key_unreadable")


async def test_keys_live_in_a_cluster_too(tmp_path: Path) -> None:
    with redis_server.cluster(tmp_path) as nodes:
        settings = RedisSettings(url=nodes.url, cluster=True)
        keys, gate = administration(settings), build(SETTINGS, settings, Metrics())
        await gate.start()
        made = [await keys.create(LIVE) for _ in range(5)]
        assert {record.id async for record in keys.all()} == {record.id for record, _ in made}
        assert [await code(gate, key) for _, key in made] == ["ok"] * 5
        await keys.revoke(made[0][0].id)
        await becomes([gate], made[0][1], "key_revoked")
        assert await code(gate, made[1][1]) == "ok"
        await gate.stop()
        assert set(await keys.last_used((made[1][0].id,))) == {made[1][0].id}
        await keys._store.close()

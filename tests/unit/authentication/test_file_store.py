from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sidecar.authentication import Authentication, build
from sidecar.authentication.api_keys import KeyAdministration, KeyRequest
from sidecar.errors import InvalidCredential, StoreUnavailable
from sidecar.metrics import Metrics
from tests.unit.authentication.support import eventually, key_tools, request, settings

LIVE = KeyRequest(environment="live")


async def accepted(gate: Authentication, key: str) -> bool:
    try:
        await gate.authenticate(request(("x-api-key", key)))
    except InvalidCredential:
        return False
    return True


async def becomes(gate: Authentication, key: str, *, expected: bool) -> None:
    async def done() -> bool:
        return await accepted(gate, key) == expected

    await eventually(done)


async def test_revoked_and_new_keys_are_seen_without_restart(gate: Authentication, keys: KeyAdministration) -> None:
    record, key = await keys.create(LIVE)
    await becomes(gate, key, expected=True)
    await keys.revoke(record.id)
    await becomes(gate, key, expected=False)


async def test_damaged_file_leaves_the_last_good_one_in_force(
    gate: Authentication, keys: KeyAdministration, tmp_path: Path
) -> None:
    record, key = await keys.create(LIVE)
    await becomes(gate, key, expected=True)
    path = tmp_path / "keys.yaml"
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2] + b"\x00")
    await asyncio.sleep(0.8)
    assert await accepted(gate, key)
    path.write_bytes(good)
    await keys.revoke(record.id)
    await becomes(gate, key, expected=False)


async def test_swapped_link_is_followed_as_kubernetes_swaps_it(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    first = key_tools(settings(tmp_path / "first", api_keys={"file": "keys.yaml"}))
    second = key_tools(settings(tmp_path / "second", api_keys={"file": "keys.yaml"}))
    (_, old), (_, new) = await first.create(LIVE), await second.create(LIVE)
    (tmp_path / "..data").symlink_to("first")
    (tmp_path / "keys.yaml").symlink_to("..data/keys.yaml")
    configured = settings(tmp_path, api_keys={"file": "keys.yaml"}, failed_credentials={"failures": 10_000})
    gate = build(configured, None, Metrics())
    await gate.start()
    assert await accepted(gate, old)
    (tmp_path / "..data_tmp").symlink_to("second")
    (tmp_path / "..data_tmp").replace(tmp_path / "..data")
    await becomes(gate, new, expected=True)
    assert not await accepted(gate, old)
    await gate.stop()


async def test_removed_file_ends_every_key(gate: Authentication, keys: KeyAdministration, tmp_path: Path) -> None:
    _, key = await keys.create(LIVE)
    await becomes(gate, key, expected=True)
    (tmp_path / "keys.yaml").unlink()
    await becomes(gate, key, expected=False)


async def test_file_that_cannot_be_written_is_explained(keys: KeyAdministration, tmp_path: Path) -> None:
    await keys.create(LIVE)
    (tmp_path / "keys.yaml.lock").unlink()
    (tmp_path / "keys.yaml.lock").mkdir()
    with pytest.raises(StoreUnavailable, match=r"keys\.yaml"):
        await keys.create(LIVE)


def test_file_is_its_owners_alone_and_leaves_nothing_behind(keys: KeyAdministration, tmp_path: Path) -> None:
    asyncio.run(keys.create(LIVE))
    assert (tmp_path / "keys.yaml").stat().st_mode & 0o777 == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"keys.yaml", "keys.yaml.lock"}


async def test_two_commands_at_once_lose_nothing(tmp_path: Path) -> None:
    crowd = [key_tools(settings(tmp_path, api_keys={"file": "keys.yaml"})) for _ in range(4)]
    made = await asyncio.gather(*(keys.create(LIVE) for keys in crowd for _ in range(3)))
    fresh = key_tools(settings(tmp_path, api_keys={"file": "keys.yaml"}))
    assert {record.id async for record in fresh.all()} == {record.id for record, _ in made}

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from sidecar.authentication import AuthenticationSettings
from sidecar.authentication.api_keys import KeyAdministration, KeyRequest, open_store
from sidecar.authentication.master_keys import MasterKey, build_master_key
from sidecar.authentication.master_keys.wrapped import Wrapped
from sidecar.authentication.settings import MasterKeySettings
from sidecar.errors import ConfigurationError, SealBroken, StoreUnavailable
from tests.harness.redis_server import free_port, wait_until
from tests.harness.vault_transit import VaultTransit, vault_transit

AWS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "eu-central-1"}
SECRET = bytes(range(32))


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of moto's server, which stands in for AWS."""
    port = free_port()
    with (tmp_path_factory.mktemp("moto") / "log").open("wb") as log:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **AWS})
    try:
        wait_until(lambda: _answers(port), "moto")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def kms_keys(aws: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two keys in KMS."""
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("kms", endpoint_url=aws)
    made = [client.create_key()["KeyMetadata"]["KeyId"] for _ in range(2)]
    client.close()
    return made


def kms(aws: str, key_id: str) -> dict[str, Any]:
    return {"aws_kms": {"key_id": key_id, "endpoint": aws}}


@pytest.fixture
async def vault(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[VaultTransit]:
    async with vault_transit() as running:
        monkeypatch.setenv("VAULT_TOKEN", running.token)
        yield running


def transit(vault: VaultTransit, **changes: Any) -> dict[str, Any]:
    return {"vault": {"address": vault.url, "key": "portcullis", "token_env": "VAULT_TOKEN", **changes}}


def master_key(settings: dict[str, Any]) -> MasterKey:
    return build_master_key(MasterKeySettings.model_validate(settings))


@asynccontextmanager
async def administration(folder: Path, master: dict[str, Any]) -> AsyncIterator[KeyAdministration]:
    configured = AuthenticationSettings.model_validate(
        {"api_keys": {"file": "keys.yaml", "master_key": master}}, context={"folder": folder}
    )
    assert configured.api_keys is not None
    made = KeyAdministration(*open_store(configured.api_keys, None))
    try:
        yield made
    finally:
        await made._keyring.close()


async def check(master: MasterKey) -> None:
    """What every master key must do."""
    wrapped = await master.wrap(SECRET, "slot-1")
    assert await master.unwrap(wrapped, "slot-1") == SECRET
    assert await master.is_current(wrapped)
    assert (await master.wrap(SECRET, "slot-1")).blob != wrapped.blob
    for broken, context in (
        (wrapped, "slot-2"),
        (Wrapped(wrapped.reference, wrapped.blob[:-8] + "AAAAAAA="), "slot-1"),
        (Wrapped(wrapped.reference, "%"), "slot-1"),
        (Wrapped("local-12345678", wrapped.blob), "slot-1"),
    ):
        with pytest.raises(SealBroken):
            await master.unwrap(broken, context)
    await master.close()


async def test_aws_kms_wraps_and_unwraps(aws: str, kms_keys: list[str]) -> None:
    await check(master_key(kms(aws, kms_keys[0])))


async def test_vault_wraps_and_unwraps(vault: VaultTransit) -> None:
    await check(master_key(transit(vault)))


async def test_keys_move_from_one_kms_key_to_another(aws: str, kms_keys: list[str], tmp_path: Path) -> None:
    async with administration(tmp_path, kms(aws, kms_keys[0])) as keys:
        record, _ = await keys.create(KeyRequest(environment="live"))
    async with administration(tmp_path, kms(aws, kms_keys[1])) as keys:
        assert await keys._keyring.rewrap() == (2, 2)
        assert await keys._keyring.rewrap() == (0, 2)
    assert kms_keys[0] not in (tmp_path / "keys.yaml").read_text()
    async with administration(tmp_path, kms(aws, kms_keys[1])) as keys:
        assert (await keys.get(record.id)) == record


async def test_key_wrapped_by_another_kms_key_is_refused_at_start(
    aws: str, kms_keys: list[str], tmp_path: Path
) -> None:
    async with administration(tmp_path, kms(aws, kms_keys[0])) as keys:
        await keys.create(KeyRequest(environment="live"))
    path = tmp_path / "keys.yaml"
    for other in (kms_keys[1], "00000000-0000-0000-0000-000000000000"):
        changed = path.read_text().replace(kms_keys[0], other)
        (tmp_path / "other").mkdir(exist_ok=True)
        (tmp_path / "other" / "keys.yaml").write_text(changed)
        async with administration(tmp_path / "other", kms(aws, kms_keys[0])) as keys:
            with pytest.raises(ConfigurationError, match="AWS KMS answers"):
                await keys._keyring.load()


async def test_absent_aws_is_unavailable(kms_keys: list[str]) -> None:
    master = master_key(kms("http://127.0.0.1:9", kms_keys[0]))
    with pytest.raises(StoreUnavailable):
        await master.wrap(SECRET, "slot-1")
    await master.close()


async def test_rotated_vault_key_takes_over_by_rewrapping(vault: VaultTransit, tmp_path: Path) -> None:
    async with administration(tmp_path, transit(vault)) as keys:
        record, _ = await keys.create(KeyRequest(environment="live"))
        vault.rotate()
        assert await keys._keyring.rewrap() == (2, 2)
        assert await keys._keyring.rewrap() == (0, 2)
    async with administration(tmp_path, transit(vault)) as keys:
        assert (await keys.get(record.id)) == record


async def test_refused_vault_token_is_unavailable(vault: VaultTransit, monkeypatch: pytest.MonkeyPatch) -> None:
    master = master_key(transit(vault))
    monkeypatch.setenv("VAULT_TOKEN", "another")
    with pytest.raises(StoreUnavailable, match="403"):
        await master.wrap(SECRET, "slot-1")
    await master.close()


async def test_renewed_vault_token_is_read_from_its_file(vault: VaultTransit, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("stale")
    master = master_key(transit(vault, token_env=None, token_file=str(path)))
    with pytest.raises(StoreUnavailable):
        await master.wrap(SECRET, "slot-1")
    path.write_text(vault.token + "\n")
    assert await master.unwrap(await master.wrap(SECRET, "slot-1"), "slot-1") == SECRET
    await master.close()


@pytest.mark.parametrize("content", [None, "", "\n", "a\x00b", "é"])
def test_missing_vault_token_is_refused_at_start(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigurationError, match="Vault token"):
        master_key(transit(VaultTransit(), address="https://v", token_env=None, token_file=str(path)))

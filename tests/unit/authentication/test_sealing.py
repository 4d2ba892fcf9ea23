from __future__ import annotations

import base64
from pathlib import Path

import pytest
import yaml

from sidecar.authentication import AuthenticationSettings, build
from sidecar.authentication.api_keys import KeyAdministration, KeyRequest, open_store
from sidecar.authentication.master_keys.local import LocalMasterKey
from sidecar.authentication.settings import MasterKeySettings
from sidecar.errors import ConfigurationError, SealBroken
from sidecar.metrics import Metrics
from tests.unit.authentication.support import MASTER, key_tools, settings

OTHER = base64.b64encode(b"x" * 32).decode()


async def test_nothing_about_a_key_is_readable_at_rest(keys: KeyAdministration, tmp_path: Path) -> None:
    _, key = await keys.create(
        KeyRequest(environment="live", name="billing robot", owner="ann", plan="gold", scopes=("llm:write",))
    )
    kept = (tmp_path / "keys.yaml").read_text()
    for secret in (key, key.split("_")[3], "ann", "gold", "billing", "llm:write"):
        assert secret not in kept


async def test_damaged_record_opens_nothing(keys: KeyAdministration) -> None:
    record, _ = await keys.create(KeyRequest(environment="live"))
    other, _ = await keys.create(KeyRequest(environment="live"))
    sealed = await keys._store.get(record.id)
    assert sealed is not None
    for damaged in (sealed[:-8], sealed + b"AAAA", b"", b"\xff", sealed.replace(b":", b"", 1), b"pepper-1" + sealed):
        with pytest.raises(SealBroken):
            await keys._keyring.open(record.id, damaged)
    with pytest.raises(SealBroken):  # bound to its key id
        await keys._keyring.open(other.id, sealed)


async def test_wrong_master_key_is_refused_at_start_and_overwrites_nothing(
    keys: KeyAdministration, key_settings: AuthenticationSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keys.create(KeyRequest(environment="live"))
    before = (tmp_path / "keys.yaml").read_bytes()
    monkeypatch.setenv("PORTCULLIS_MASTER_KEY", OTHER)
    with pytest.raises(ConfigurationError, match=r"keys.yaml.*master_key.*local-"):
        await build(key_settings, None, Metrics()).start()
    with pytest.raises(ConfigurationError):
        await key_tools(key_settings)._keyring.load()
    assert (tmp_path / "keys.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("value", "problem"),
    [("", "is not set"), ("  ", "is not set"), ("%%%", "not base64"), ("YWJj", "3 bytes"), (f"{MASTER},x", "key 2")],
)
def test_missing_or_malformed_master_key_names_variable_and_fix(
    key_settings: AuthenticationSettings, monkeypatch: pytest.MonkeyPatch, value: str, problem: str
) -> None:
    monkeypatch.setenv("PORTCULLIS_MASTER_KEY", value)
    with pytest.raises(ConfigurationError, match=problem) as refused:
        build(key_settings, None, Metrics())
    assert "PORTCULLIS_MASTER_KEY" in str(refused.value)
    assert "openssl rand -base64 32" in str(refused.value)


@pytest.mark.parametrize("content", [None, "", "\n\n", "x\n", "é"])
def test_unusable_master_key_file_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "master.key"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigurationError, match=r"master\.key"):
        LocalMasterKey.from_file(path)


async def test_new_master_key_takes_over_by_rewrapping(tmp_path: Path) -> None:
    master = tmp_path / "master.key"
    master.write_text(MASTER + "\n")
    configured = settings(tmp_path, api_keys={"file": "keys.yaml", "master_key": {"file": "master.key"}})
    record, _ = await key_tools(configured).create(KeyRequest(environment="live", owner="ann"))
    master.write_text(f"{OTHER}\n{MASTER}\n")
    tools = key_tools(configured)
    assert await tools._keyring.rewrap() == (2, 2)
    assert await tools._keyring.rewrap() == (0, 2)
    master.write_text(OTHER + "\n")
    tools = key_tools(configured)
    await tools._keyring.load()
    assert (await tools.get(record.id)).owner == "ann"


async def test_new_pepper_leaves_older_keys_valid(keys: KeyAdministration) -> None:
    old, old_text = await keys.create(KeyRequest(environment="live"))
    assert await keys._keyring.add_pepper() == "pepper-2"
    new, _ = await keys.create(KeyRequest(environment="live"))
    assert (old.pepper, new.pepper) == ("pepper-1", "pepper-2")
    assert (await keys._keyring.mac(old_text, old.pepper))[1] == old.mac
    assert (await keys._keyring.mac(old_text, "pepper-2"))[1] != old.mac


async def test_destroyed_data_key_ends_a_tenant_and_no_other(keys: KeyAdministration) -> None:
    doomed, _ = await keys.create(KeyRequest(environment="live", tenant="acme"))
    spared, _ = await keys.create(KeyRequest(environment="live", tenant="other"))
    assert await keys._keyring.shred("acme") == 1
    with pytest.raises(SealBroken):
        await keys.get(doomed.id)
    assert (await keys.get(spared.id)).tenant == "other"
    assert [record.id async for record in keys.all()] == [spared.id]


@pytest.mark.parametrize(
    "content",
    [
        "version: 2\n",
        "- a list\n",
        "version: 1\nkeys: {a: 1}\n",
        "version: 1\nslots: [{id: pepper-1}]\n",
        "version: 1\nkeys: {a: x}\nkeys: {a: y}\n",
        "version: 1\nkeys: {a: [\n",
        "\x00",
    ],
)
def test_damaged_keyring_file_is_refused_and_kept(
    key_settings: AuthenticationSettings, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(content)
    assert key_settings.api_keys is not None
    with pytest.raises(ConfigurationError, match=r"keys\.yaml"):
        open_store(key_settings.api_keys, None)
    assert path.read_text() == content


async def test_exchanged_slots_are_refused(keys: KeyAdministration, tmp_path: Path) -> None:
    await keys.create(KeyRequest(environment="live"))
    path = tmp_path / "keys.yaml"
    document = yaml.safe_load(path.read_text())
    first, second = document["slots"]
    first["wrapped"], second["wrapped"] = second["wrapped"], first["wrapped"]
    path.write_text(yaml.safe_dump(document))
    configured = settings(tmp_path, api_keys={"file": "keys.yaml"})
    with pytest.raises(ConfigurationError, match="damaged"):
        await key_tools(configured)._keyring.load()


def test_master_key_needs_one_source() -> None:
    for wrong in ({}, {"env": "A", "file": "b"}):
        with pytest.raises(ValueError, match="exactly one"):
            MasterKeySettings.model_validate(wrong)

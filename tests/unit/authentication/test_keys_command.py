from __future__ import annotations

import argparse
import io
import json
import re
from pathlib import Path

import pytest

from sidecar.authentication.api_keys import text
from sidecar.commands import jwts, keys
from sidecar.errors import ConfigurationError, InvalidCommand, PortcullisError

CONFIG = """
authentication: {api_keys: {file: keys.yaml, environments: [live, test], imported: true}}
authorization: {routes: []}
plans: {free: {models: [small-*]}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "portcullis.yaml"
    path.write_text(CONFIG)
    return path


class Command:
    """`portcullis keys`, with what it printed."""

    def __init__(self, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.config, self.capsys = config, capsys

    def __call__(self, *arguments: str) -> tuple[str, str]:
        parser = argparse.ArgumentParser()
        commands = parser.add_subparsers()
        keys.register(commands)
        jwts.register(commands)
        options = parser.parse_args([*arguments, "--config", str(self.config)])
        assert options.run(options) == 0
        out, err = self.capsys.readouterr()
        return out, err


@pytest.fixture
def run(config: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(config, capsys)


def test_new_key_is_alone_on_standard_output(run: Command) -> None:
    out, err = run("keys", "create", "--plan", "free", "--scope", "llm:write", "--name", "a robot")
    parsed = text.parse(out.strip())
    assert parsed is not None
    assert parsed.environment == "live"
    assert parsed.key_id in err
    assert out.strip() not in err


def test_key_is_shown_once_and_its_hash_never(run: Command) -> None:
    key = run("keys", "create")[0].strip()
    key_id = key.split("_")[2]
    for shown in (run("keys", "show", key_id), run("keys", "list"), run("keys", "show", key_id, "--json")):
        assert key_id in shown[0]
        assert key.split("_")[3] not in "".join(shown)
        assert not re.search(r"[0-9a-f]{64}", "".join(shown))


def test_json_holds_everything(run: Command) -> None:
    made = json.loads(
        run(
            "keys", "create", "--json", "--env", "test", "--owner", "ann", "--tenant", "acme", "--plan", "free",
            "--scope", "llm:read", "--scope", "llm:write", "--model", "small-1", "--address", "10.0.0.0/8",
            "--metadata", "team=search", "--expires", "90d", "--not-before", "2026-01-31",
        )[0]
    )  # fmt: skip
    assert made["key"].startswith("pcl_test_")
    assert (made["owner"], made["tenant"], made["plan"]) == ("ann", "acme", "free")
    assert made["scopes"] == ["llm:read", "llm:write"]
    assert made["models"] == ["small-1"]
    assert made["addresses"] == ["10.0.0.0/8"]
    assert made["metadata"] == {"team": "search"}
    assert 89 * 86400 < made["expires_at"] - made["created_at"] <= 90 * 86400
    assert made["not_before"] == 1769817600
    listed = json.loads(run("keys", "list", "--json")[0])
    assert "key" not in listed
    assert listed["state"] == "active"


def test_list_is_a_table_and_filters(run: Command) -> None:
    for tenant in ("acme", "acme", "other"):
        run("keys", "create", "--tenant", tenant)
    lines = run("keys", "list", "--tenant", "acme")[0].splitlines()
    assert lines[0].split()[:4] == ["KEY", "ID", "ENV", "STATE"]
    assert len(lines) == 3
    assert all(line == line.rstrip() for line in lines)


def test_rotation_and_revocation_show_in_the_list(run: Command) -> None:
    old = run("keys", "create")[0].strip().split("_")[2]
    out, err = run("keys", "rotate", old, "--overlap", "24h")
    new = out.strip().split("_")[2]
    assert f"old key {old} works until" in err
    assert "revoked" in run("keys", "revoke", new)[0]
    states = {line.split()[0]: line.split()[2] for line in run("keys", "list")[0].splitlines()[1:]}
    assert states == {old: "active", new: "revoked"}
    assert len(run("keys", "list", "--active")[0].splitlines()) == 2


def test_foreign_key_is_read_from_standard_input(run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = "sk-Yh3kQ9vXw2LmN8pRtB5cZ7dFgJ4sA1eU"
    monkeypatch.setattr("sys.stdin", io.StringIO(foreign + "\n"))
    out, err = run("keys", "import", "--plan", "free")
    assert "imported as" in out
    assert foreign not in out + err
    monkeypatch.setattr("sys.stdin", io.StringIO("password\n"))
    with pytest.raises(InvalidCommand):
        run("keys", "import")


def test_keys_of_the_store_are_tended(run: Command) -> None:
    run("keys", "create", "--tenant", "acme")
    assert run("keys", "rewrap")[0] == "rewrapped 0 of 2 keys\n"
    assert "pepper-2" in run("keys", "new-pepper")[0]
    with pytest.raises(InvalidCommand, match="--yes"):
        run("keys", "shred", "--tenant", "acme")
    assert run("keys", "shred", "--tenant", "acme", "--yes")[0] == "destroyed 1 data keys\n"
    assert len(run("keys", "list")[0].splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("keys", "create", "--plan", "gold"),
        ("keys", "create", "--env", "prod"),
        ("keys", "create", "--scope", "a b"),
        ("keys", "create", "--address", "everywhere"),
        ("keys", "create", "--metadata", "novalue"),
        ("keys", "create", "--metadata", "a=1", "--metadata", "a=2"),
        ("keys", "show", "nosuchkey"),
        ("keys", "revoke", "pcl_live_000000000000_secret"),
        ("keys", "rotate", "nosuchkey"),
        ("jwts", "list"),
        ("jwts", "revoke", "--issuer", "https://x", "--jti", "a"),
    ],
)
def test_impossible_wish_is_explained(run: Command, arguments: tuple[str, ...]) -> None:
    with pytest.raises(PortcullisError) as refused:
        run(*arguments)
    assert str(refused.value)


@pytest.mark.parametrize(
    "arguments",
    [
        ("keys", "create", "--expires", "tomorrow"),
        ("keys", "rotate", "x", "--overlap", "1 day"),
        ("keys", "list", "--nonsense"),
        ("jwts", "revoke", "--issuer", "x"),
        ("jwts", "revoke", "--issuer", "x", "--jti", "a", "--subject", "b"),
    ],
)
def test_wrong_arguments_end_with_usage(run: Command, arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(*arguments)
    assert ended.value.code == 2


def test_configuration_without_keys_is_explained(run: Command) -> None:
    run.config.write_text("authentication: {}\nauthorization: {}\n")
    with pytest.raises(ConfigurationError, match=r"authentication\.api_keys"):
        run("keys", "list")

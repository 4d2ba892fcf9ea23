from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.authentication import Authentication, build
from sidecar.authentication.api_keys import KeyAdministration, KeyRequest, text
from sidecar.errors import InvalidCommand, InvalidCredential
from sidecar.metrics import Metrics
from tests.unit.authentication.support import bearer, key_tools, request, settings

FOREIGN = "sk-" + secrets.token_urlsafe(32)
WANTED = KeyRequest(environment="live", owner="ann", plan="free")


@pytest.fixture
def keys(tmp_path: Path) -> KeyAdministration:
    return key_tools(settings(tmp_path, api_keys={"file": "keys.yaml", "imported": True}))


@pytest.fixture
async def gate(tmp_path: Path, keys: KeyAdministration) -> AsyncIterator[Authentication]:
    await keys.import_key(WANTED, FOREIGN)
    built = build(settings(tmp_path, api_keys={"file": "keys.yaml", "imported": True}), None, Metrics())
    await built.start()
    yield built
    await built.stop()


async def test_imported_key_is_taken_in_every_header(gate: Authentication) -> None:
    for shown in (bearer(FOREIGN), request(("x-api-key", FOREIGN)), bearer(FOREIGN)):
        principal = await gate.authenticate(shown)
        assert principal is not None
        assert (principal.subject, principal.plan) == ("ann", "free")


async def test_other_foreign_keys_are_refused(gate: Authentication) -> None:
    for wrong in (
        FOREIGN[:-1],
        FOREIGN + "x",
        FOREIGN.swapcase(),
        "sk-" + secrets.token_urlsafe(32),
        "short",
        "x" * 600,
    ):
        with pytest.raises(InvalidCredential):
            await gate.authenticate(request(("x-api-key", wrong)))


async def test_foreign_keys_are_refused_unless_switched_on(gate: Authentication, tmp_path: Path) -> None:
    strict = build(settings(tmp_path, api_keys={"file": "keys.yaml"}), None, Metrics())
    await strict.start()
    with pytest.raises(InvalidCredential, match="key_malformed"):
        await strict.authenticate(bearer(FOREIGN))
    await strict.stop()


async def test_text_of_an_imported_key_is_not_kept(gate: Authentication, tmp_path: Path) -> None:
    assert FOREIGN not in (tmp_path / "keys.yaml").read_text()


@pytest.mark.parametrize(
    "weak",
    [
        "",
        "short",
        "password-password-password-password",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "12345678901234567890123456789012",
        "correct horse battery staple again",
        "abcdefgh-abcdefgh-abcdefgh",
        "é" * 40,
        "a,b" * 20,
        "pcl_live_" + "A" * 60,
    ],
)
async def test_weak_keys_are_refused(keys: KeyAdministration, weak: str) -> None:
    with pytest.raises(InvalidCommand):
        await keys.import_key(WANTED, weak)


async def test_key_is_imported_once(keys: KeyAdministration) -> None:
    await keys.import_key(WANTED, FOREIGN)
    with pytest.raises(InvalidCommand, match="already"):
        await keys.import_key(WANTED, FOREIGN)


@given(st.binary(min_size=32, max_size=32).filter(lambda data: len(set(data)) > 24))
def test_random_keys_are_strong_enough(data: bytes) -> None:
    assert text.strength("sk-" + data.hex()) >= 100


@given(st.text(max_size=100))
def test_strength_never_exceeds_what_the_characters_allow(value: str) -> None:
    assert 0 <= text.strength(value) <= len(value) * 7

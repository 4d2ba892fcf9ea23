from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sidecar.authentication import Authentication, AuthenticationSettings, build
from sidecar.authentication.api_keys import KeyAdministration
from sidecar.metrics import Metrics
from tests.unit.authentication.support import MASTER, key_tools, settings


@pytest.fixture(autouse=True)
def _master_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTCULLIS_MASTER_KEY", MASTER)


@pytest.fixture
def key_settings(tmp_path: Path) -> AuthenticationSettings:
    return settings(tmp_path, api_keys={"file": "keys.yaml"}, failed_credentials={"failures": 10_000})


@pytest.fixture
def keys(key_settings: AuthenticationSettings) -> KeyAdministration:
    return key_tools(key_settings)


@pytest.fixture
async def gate(key_settings: AuthenticationSettings, keys: KeyAdministration) -> AsyncIterator[Authentication]:
    built = build(key_settings, None, Metrics())
    await built.start()
    yield built
    await built.stop()

"""A served sidecar per transport, with its buckets in memory."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import yaml

from tests.harness.sidecar import Sidecar, new_master_key
from tests.harness.waiting import until
from tests.integration.doors.questions import ask, question, status_of

TRANSPORTS = ("native", "grpcio")


@dataclass(frozen=True)
class Door:
    """A running sidecar and a key that may call it."""

    sidecar: Sidecar
    key: str
    transport: str
    folder: Path
    environment: dict[str, str]

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return Path(self.sidecar.address.removeprefix("unix:"))


def open_door(folder: Path, transport: str) -> Door:
    """Start a sidecar that knows one plan and one route."""
    path = folder / "portcullis.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "server": {
                    "listen": f"unix:{folder}/door.sock",
                    "transport": transport,
                    "max_message_bytes": 1 << 20,
                },
                "authentication": {"api_keys": {"file": "keys.yaml"}},
                "authorization": {
                    "routes": [{"methods": ["POST"], "path": "/v1/chat/completions", "scopes": ["llm:write"]}]
                },
                "plans": {"team": {"models": ["small-*"]}},
                "limits": [{"name": "global", "rate": "1000000/second"}],
            }
        )
    )
    environment = new_master_key()
    sidecar = Sidecar("sidecar", path, folder / "sidecar.log", environment)
    try:
        key = sidecar.create_key(plan="team", scope="llm:write")
        with grpc.insecure_channel(sidecar.address) as channel:
            until(lambda: status_of(ask(channel, question(key))) == 200, "the new key is known", sidecar.tail)
    except BaseException:
        sidecar.stop()
        raise
    return Door(sidecar, key, transport, folder, environment)


@pytest.fixture(params=TRANSPORTS)
def door(request: pytest.FixtureRequest) -> Iterator[Door]:
    """A sidecar of its own for a test that may harm it."""
    folder = Path(tempfile.mkdtemp(prefix="pcl-"))
    opened = open_door(folder, request.param)
    yield opened
    opened.sidecar.stop()
    shutil.rmtree(folder)


@pytest.fixture(params=TRANSPORTS, scope="module")
def shared_door(request: pytest.FixtureRequest) -> Iterator[Door]:
    """A sidecar that the tests of a module share."""
    folder = Path(tempfile.mkdtemp(prefix="pcl-"))
    opened = open_door(folder, request.param)
    yield opened
    opened.sidecar.stop()
    shutil.rmtree(folder)

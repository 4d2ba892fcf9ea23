"""The sidecar as users run it: `portcullis serve` in a process of its own."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.harness.process import Process
from tests.harness.waiting import HarnessError

COMMAND = (sys.executable, "-m", "sidecar.cli")


def new_master_key() -> dict[str, str]:
    """An environment with a fresh master key for the store of API keys."""
    return {"PORTCULLIS_MASTER_KEY": base64.b64encode(os.urandom(32)).decode()}


def configure(source: Path, target: Path, changes: Mapping[str, object]) -> Path:
    """Copy the folder `source` to `target` and change its `portcullis.yaml`; the path of the copy.

    `changes` maps dotted keys (`server.listen`) to values. A key that the file does not have is a KeyError: what a
    reader sees in the committed file must be what runs.
    """
    shutil.copytree(source, target)
    path = target / "portcullis.yaml"
    document = yaml.safe_load(path.read_text())
    for dotted, value in changes.items():
        *parents, last = dotted.split(".")
        place: Any = document
        for name in parents:
            place = place[int(name)] if isinstance(place, list) else place[name]
        if last not in place:
            raise KeyError(f"{dotted} is not in {source / 'portcullis.yaml'}")
        place[last] = value
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


class Sidecar(Process):
    """Serving from construction on, or with `wait=False` from the end of `until_ready()` on.

    `address` is the configuration's `server.listen`.
    """

    def __init__(
        self, name: str, configuration: Path, log: Path, environment: Mapping[str, str], *, wait: bool = True
    ) -> None:
        self.configuration, self.environment = configuration, environment
        self.address: str = yaml.safe_load(configuration.read_text())["server"]["listen"]
        command = [*COMMAND, "serve", "--config", str(configuration)]
        super().__init__(name, command, log, environment)
        if wait:
            self.until_ready()

    def until_ready(self) -> None:
        """Return when it serves, as its own health service says."""
        with grpc.insecure_channel(self.address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            self.wait_until(lambda: _serving(stub), "the sidecar serves")

    def create_key(self, *scopes: str, **options: str) -> str:
        """A new API key, made as an operator would; an option `plan="free"` becomes `--plan free`."""
        flags = [part for name, value in options.items() for part in (f"--{name}", value)]
        flags += [part for scope in scopes for part in ("--scope", scope)]
        printed = self.command("keys", "create", "--json", *flags)
        key: str = json.loads(printed)["key"]
        return key

    def command(self, *arguments: str) -> str:
        """What `portcullis ARGUMENTS --config FILE` prints; HarnessError with its error output when it fails."""
        result = subprocess.run(
            [*COMMAND, *arguments, "--config", str(self.configuration)],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        if result.returncode:
            raise HarnessError(f"portcullis {' '.join(arguments)} ended with {result.returncode}\n{result.stderr}")
        return result.stdout


def _serving(stub: health_pb2_grpc.HealthStub) -> bool:
    try:
        answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=1)
    except grpc.RpcError:
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

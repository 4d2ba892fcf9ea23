"""Starting, reloading and stopping, on either transport."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
from pathlib import Path

import grpc
import pytest
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.harness.sidecar import COMMAND, Sidecar
from tests.harness.waiting import until
from tests.integration.doors.conftest import Door
from tests.integration.doors.questions import ask, question, status_of

SERVING = health_pb2.HealthCheckResponse.SERVING


def health(door: Door, component: str = "") -> int:
    with grpc.insecure_channel(door.sidecar.address) as channel:
        request = health_pb2.HealthCheckRequest(service=component)
        status: int = health_pb2_grpc.HealthStub(channel).Check(request, timeout=5).status
        return status


def answer(door: Door, path: str = "/v1/chat/completions") -> int:
    with grpc.insecure_channel(door.sidecar.address) as channel:
        return status_of(ask(channel, question(door.key, path=path)))


def rewrite(door: Door, text: str) -> None:
    """Replace the configuration as a careful editor does: in one step."""
    fresh = door.folder / "fresh"
    fresh.write_text(text)
    fresh.rename(door.sidecar.configuration)


def test_health_names_its_components(shared_door: Door) -> None:
    assert health(shared_door) == SERVING
    assert health(shared_door, "configuration") == SERVING
    until(lambda: health(shared_door, "redis") == SERVING, "the store is reported")


def test_a_new_configuration_is_taken_up_and_a_bad_one_is_not(door: Door) -> None:
    document = yaml.safe_load(door.sidecar.configuration.read_text())
    assert answer(door, "/v1/messages") == 403
    document["authorization"]["routes"].append({"methods": ["POST"], "path": "/v1/messages", "scopes": ["llm:write"]})
    rewrite(door, yaml.safe_dump(document))
    until(lambda: answer(door, "/v1/messages") != 403, "the new route is known", door.sidecar.tail)
    rewrite(door, "authorization: {routes: [{methods: [POST], pth: /}]}\n")
    until(lambda: health(door, "configuration") != SERVING, "the bad file is reported", door.sidecar.tail)
    assert health(door) == SERVING
    assert answer(door) == 200
    assert "did you mean `path`?" in door.sidecar.output()
    rewrite(door, yaml.safe_dump(document))
    until(lambda: health(door, "configuration") == SERVING, "the mended file is taken up", door.sidecar.tail)


def test_no_call_is_lost_while_draining(door: Door) -> None:
    """SIGTERM under load: whoever goes on asking is answered until it stops, and the process ends by itself with 0."""
    payload = question(door.key).SerializeToString()
    statuses: list[int] = []
    faults: list[str] = []
    told, enough = threading.Event(), threading.Event()

    def load() -> None:
        with grpc.insecure_channel(door.sidecar.address) as channel:
            after = 0
            while after < 100:
                try:
                    statuses.append(status_of(ask(channel, payload)))
                except grpc.RpcError as fault:
                    faults.append(str(fault))
                after += told.is_set()
                if len(statuses) > 50:
                    enough.set()

    clients = [threading.Thread(target=load) for _ in range(4)]
    for client in clients:
        client.start()
    assert enough.wait(30)
    door.sidecar.signal(signal.SIGTERM)
    until(lambda: '"draining"' in door.sidecar.output(), "it drains", door.sidecar.tail)
    told.set()
    assert health(door) != SERVING
    for client in clients:
        client.join(60)
    assert door.sidecar.wait() == 0
    assert not faults
    assert set(statuses) == {200}


def start(door: Door, log: str) -> Sidecar:
    return Sidecar("second", door.sidecar.configuration, door.folder / log, door.environment)


def test_a_socket_that_a_dead_process_left_is_taken_over(door: Door) -> None:
    door.sidecar.kill()
    assert door.socket.exists()
    with start(door, "second.log"):
        until(lambda: answer(door) == 200, "the successor answers")


@pytest.mark.parametrize("occupied", ["by a living process", "by a file"])
def test_a_path_that_is_taken_is_refused_at_start(door: Door, occupied: str) -> None:
    if occupied == "by a file":
        door.sidecar.stop()
        door.socket.unlink(missing_ok=True)
        door.socket.write_text("precious")
    refused = subprocess.run(
        [*COMMAND, "serve", "--config", str(door.sidecar.configuration)],
        env=door.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert refused.returncode == 2
    assert "server: listen: " in refused.stderr
    assert str(door.socket) in refused.stderr
    assert "Traceback" not in refused.stderr
    if occupied == "by a file":
        assert door.socket.read_text() == "precious"
    else:
        assert answer(door) == 200


def test_only_the_owner_and_the_group_may_connect(shared_door: Door) -> None:
    assert shared_door.socket.stat().st_mode & 0o777 == 0o660


def test_a_tcp_port_on_loopback_serves_as_well(door: Door, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    document = yaml.safe_load(door.sidecar.configuration.read_text())
    document["server"]["listen"] = address
    second = door.folder / "tcp.yaml"
    second.write_text(yaml.safe_dump(document))
    with (
        Sidecar("tcp", second, tmp_path / "tcp.log", door.environment),
        grpc.insecure_channel(address) as channel,
    ):
        assert status_of(ask(channel, question(door.key))) == 200

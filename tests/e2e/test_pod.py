"""Envoy as the pod runs it: `gateway.yaml` merged with the listener that probes and Prometheus reach."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import httpx2
import yaml

from tests.harness.certificates import Authority
from tests.harness.envoy import GATEWAY, Placement, envoy_binary, is_ready, place
from tests.harness.process import Process
from tests.harness.waiting import free_port

OPERATIONS = Path(__file__).parents[2] / "k8s" / "base" / "operations.yaml"


def test_the_pods_port_has_readiness_and_metrics_and_nothing_else(tmp_path: Path) -> None:
    authority, port = Authority(tmp_path), free_port()
    served = authority.issue("gateway")
    placement = Placement(
        port=free_port(),
        operations_port=free_port(),
        certificate=served.certificate,
        key=served.key,
        upstream_port=free_port(),
        authorities=authority.certificate,
        sidecar_socket=tmp_path / "portcullis.sock",
        collector_port=free_port(),
        admin_socket=tmp_path / "admin.sock",
    )
    gateway = tmp_path / "gateway.yaml"
    gateway.write_text(yaml.safe_dump(place(yaml.safe_load(GATEWAY.read_text()), placement)))
    operations: dict[str, Any] = yaml.safe_load(OPERATIONS.read_text())
    (listener,) = operations["static_resources"]["listeners"]
    listener["address"]["socket_address"].update(address="127.0.0.1", port_value=port)
    (cluster,) = operations["static_resources"]["clusters"]
    (endpoint,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    endpoint["endpoint"]["address"]["socket_address"]["port_value"] = placement.operations_port
    command: list[str | Path] = [envoy_binary(), "--config-path", gateway, "--config-yaml", yaml.safe_dump(operations)]
    options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]
    with Process("envoy", [*command, *options], tmp_path / "envoy.log") as envoy:
        envoy.wait_until(functools.partial(is_ready, port), "Envoy is ready")
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            assert "envoy_server_live" in client.get("/stats/prometheus").text
            for path in ("/", "/config_dump", "/stats", "/certs", "/ready/x"):
                assert client.get(path).status_code == 404
            assert client.post("/quitquitquit").status_code == 404
            assert client.post("/ready").status_code == 404
        assert envoy.alive

"""The limits of Envoy itself, in front of Portcullis; each made small, so that a test can reach it."""

from __future__ import annotations

import contextlib
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.edge import Edge, start_edge
from tests.harness.client import connect
from tests.harness.envoy import GATEWAY, connection_manager


def _accepted(edge: Edge, stack: ExitStack, tries: int) -> int:
    """How many of so many new connections are let in; they stay open as long as `stack`."""
    accepted = 0
    for _ in range(tries):
        with contextlib.suppress(OSError):
            stack.enter_context(connect(edge.port, edge.authority.certificate))
            accepted += 1
    return accepted


def _write(folder: Path, configuration: dict[str, Any]) -> Path:
    path = folder / "gateway.yaml"
    path.write_text(yaml.safe_dump(configuration))
    return path


def test_over_the_shield_envoy_answers_alone(tmp_path: Path) -> None:
    configuration = yaml.safe_load(GATEWAY.read_text())
    filters = {item["name"]: item["typed_config"] for item in connection_manager(configuration)["http_filters"]}
    filters["envoy.filters.http.local_ratelimit"]["token_bucket"] = {
        "max_tokens": 3,
        "tokens_per_fill": 1,
        "fill_interval": "3600s",
    }
    with start_edge(tmp_path, base=_write(tmp_path, configuration)) as edge, edge.client() as client:
        responses = [client.get("/v1/models") for _ in range(5)]
        asked = len(edge.authorizer.asked())
    assert [response.status_code for response in responses] == [200, 200, 200, 429, 429]
    assert asked == 3
    assert responses[-1].json()["error"]["code"] == "over_limit"
    assert responses[-1].headers["retry-after"] == "1"
    assert "strict-transport-security" in responses[-1].headers


def test_connections_beyond_the_limit_are_closed_and_the_open_ones_served(tmp_path: Path) -> None:
    configuration = yaml.safe_load(GATEWAY.read_text())
    monitors = {item["name"]: item["typed_config"] for item in configuration["overload_manager"]["resource_monitors"]}
    monitors["envoy.resource_monitors.global_downstream_max_connections"]["max_active_downstream_connections"] = 3
    with start_edge(tmp_path, base=_write(tmp_path, configuration)) as edge, ExitStack() as stack:
        client = stack.enter_context(edge.client())
        assert client.get("/v1/models").status_code == 200
        assert 2 <= _accepted(edge, stack, tries=8) < 5
        assert client.get("/v1/models").status_code == 200
        with edge.plain_client(edge.envoy.placement.operations_port) as probe:
            assert probe.get("/ready").status_code == 200


def test_a_flood_of_connections_is_cut_before_the_handshake(tmp_path: Path) -> None:
    configuration = yaml.safe_load(GATEWAY.read_text())
    (chain,) = configuration["static_resources"]["listeners"][0]["filter_chains"]
    (limit,) = [item for item in chain["filters"] if item["name"] == "envoy.filters.network.local_ratelimit"]
    limit["typed_config"]["token_bucket"] = {"max_tokens": 2, "tokens_per_fill": 1, "fill_interval": "3600s"}
    with start_edge(tmp_path, base=_write(tmp_path, configuration)) as edge, edge.client() as client:
        assert client.get("/v1/models").status_code == 200
        with ExitStack() as stack:
            assert _accepted(edge, stack, tries=5) == 1
        assert client.get("/v1/models").status_code == 200

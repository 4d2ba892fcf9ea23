"""envoy/gateway.yaml as a file: Envoy accepts it, and what it promises about its own shape holds."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness.certificates import Authority
from tests.harness.envoy import GATEWAY, Placement, connection_manager, envoy_binary, place


def _placement(folder: Path) -> Placement:
    authority = Authority(folder)
    served = authority.issue("gateway")
    return Placement(
        port=18443,
        operations_port=19901,
        certificate=served.certificate,
        key=served.key,
        upstream_port=18444,
        authorities=authority.certificate,
        sidecar_socket=folder / "portcullis.sock",
        collector_port=14317,
        admin_socket=folder / "admin.sock",
    )


def _validate(configuration: Path) -> subprocess.CompletedProcess[str]:
    command = [envoy_binary(), "--mode", "validate", "-c", str(configuration)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_envoy_accepts_the_gateway(tmp_path: Path) -> None:
    configuration = place(yaml.safe_load(GATEWAY.read_text()), _placement(tmp_path))
    placed = tmp_path / "envoy.yaml"
    placed.write_text(yaml.safe_dump(configuration))
    result = _validate(placed)
    assert result.returncode == 0, result.stderr
    assert "deprecated" not in result.stderr.lower()


def test_envoy_accepts_the_least_wiring() -> None:
    result = _validate(GATEWAY.parent / "ext_authz-only.yaml")
    assert result.returncode == 0, result.stderr


def test_the_least_wiring_asks_as_the_gateway_does() -> None:
    gateway, least = (_ext_authz(GATEWAY.parent / name) for name in ("gateway.yaml", "ext_authz-only.yaml"))
    for field in ("failure_mode_allow", "with_request_body", "encode_raw_headers", "metadata_context_namespaces"):
        assert least[field] == gateway[field]


def test_envoy_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    configuration = place(yaml.safe_load(GATEWAY.read_text()), _placement(tmp_path))
    configuration["static_resources"]["listeners"][0]["failure_mode"] = "open"
    placed = tmp_path / "envoy.yaml"
    placed.write_text(yaml.safe_dump(configuration))
    assert _validate(placed).returncode != 0


def test_only_the_values_of_the_table_are_replaced(tmp_path: Path) -> None:
    before = yaml.safe_load(GATEWAY.read_text())
    after = place(yaml.safe_load(GATEWAY.read_text()), _placement(tmp_path))
    changed = {path for path, value in _leaves(after) if dict(_leaves(before)).get(path) != value}
    assert {path.rsplit(".", 1)[-1] for path in changed} <= {"address", "port_value", "filename", "path"}
    assert [path for path, _ in _leaves(before)] == [path for path, _ in _leaves(after)]


def test_placement_fails_loudly_when_the_file_has_moved(tmp_path: Path) -> None:
    configuration = yaml.safe_load(GATEWAY.read_text())
    del configuration["admin"]["address"]["pipe"]["path"]
    with pytest.raises(KeyError, match="path"):
        place(configuration, _placement(tmp_path))


def _ext_authz(path: Path) -> dict[str, Any]:
    """The configuration of the ext_authz filter in the first listener of a file."""
    filters = connection_manager(yaml.safe_load(path.read_text()))["http_filters"]
    (found,) = [item["typed_config"] for item in filters if item["name"] == "envoy.filters.http.ext_authz"]
    settings: dict[str, Any] = found
    return settings


def _leaves(value: Any, path: str = "") -> list[tuple[str, object]]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in _leaves(item, f"{path}.{key}")]
    if isinstance(value, list):
        return [leaf for number, item in enumerate(value) for leaf in _leaves(item, f"{path}[{number}]")]
    return [(path, value)]

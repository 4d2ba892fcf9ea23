"""The whole gateway: pods of Envoy and Portcullis, on one Redis, before one upstream, watched by one collector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import yaml

from tests.harness import client as clients
from tests.harness import redis_server
from tests.harness.certificates import Authority
from tests.harness.collector import Collector
from tests.harness.envoy import Envoy, Placement
from tests.harness.identity_provider import IdentityProvider
from tests.harness.redis_server import RedisServer
from tests.harness.sidecar import Sidecar, configure, new_master_key
from tests.harness.upstream import Upstream
from tests.harness.waiting import free_port


@dataclass(frozen=True, slots=True)
class Pod:
    """One Envoy with the sidecar that it asks."""

    envoy: Envoy
    sidecar: Sidecar
    authority: Authority

    @property
    def port(self) -> int:
        """Where Envoy listens on 127.0.0.1."""
        return self.envoy.placement.port

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"https://localhost:{self.port}"

    @property
    def metrics_url(self) -> str:
        """Where the sidecar's metrics are read."""
        address = yaml.safe_load(self.sidecar.configuration.read_text())["telemetry"]["metrics"]
        return f"http://{address}/metrics"

    def client(self, *, http2: bool = False) -> httpx2.Client:
        """A well-behaved client."""
        return clients.client(self.port, self.authority.certificate, http2=http2)

    def raw(self, request: bytes) -> clients.RawAnswer:
        """Send these very bytes."""
        return clients.send_raw(self.port, self.authority.certificate, request)


@dataclass(frozen=True, slots=True)
class Gateway:
    """The running parts. `authority` has signed the certificates of Envoy and of the upstream."""

    folder: Path
    authority: Authority
    redis: RedisServer
    upstream: Upstream
    collector: Collector
    provider: IdentityProvider
    pods: tuple[Pod, ...]

    @property
    def pod(self) -> Pod:
        """The first pod."""
        return self.pods[0]


@contextmanager
def start_gateway(
    folder: Path,
    configuration: Path,
    *,
    pods: int = 1,
    port: int = 0,
    pause: float = 0.0,
    changes: Mapping[str, object] | None = None,
) -> Iterator[Gateway]:
    """Start everything in the empty `folder`, which must have a short path, and end it on leaving.

    `configuration` is a folder with a `portcullis.yaml`, in which `changes` are made besides the addresses of this
    run. `port` is preferred for the first Envoy; `pause` is that between the pieces of the upstream's streams.
    """
    with ExitStack() as stack:
        authority, provider = Authority(folder), IdentityProvider()
        served = authority.issue("gateway")
        redis = stack.enter_context(redis_server.single(folder))
        upstream = stack.enter_context(Upstream(authority.issue("upstream"), pause))
        collector = stack.enter_context(Collector())
        environment = new_master_key()
        sidecars: list[Sidecar] = []
        for number in range(pods):
            own = folder / f"pod-{number}"
            own.mkdir()
            placed = configure(
                configuration,
                own / "configuration",
                {
                    "server.listen": f"unix:{own / 'portcullis.sock'}",
                    "redis.url": redis.url,
                    "telemetry.otlp_endpoint": collector.endpoint,
                    "telemetry.metrics": f"127.0.0.1:{free_port()}",
                    **(changes or {}),
                },
            )
            provider.publish(placed.parent / "jwks.json")
            log = folder / f"sidecar-{number}.log"
            starting = Sidecar(f"sidecar-{number}", placed, log, environment, wait=False)
            sidecars.append(stack.enter_context(starting))
        running: list[Pod] = []
        for number, sidecar in enumerate(sidecars):
            sidecar.until_ready()
            own = folder / f"pod-{number}"
            placement = Placement(
                port=free_port(port if number == 0 else 0),
                operations_port=free_port(),
                certificate=served.certificate,
                key=served.key,
                upstream_port=upstream.port,
                authorities=authority.certificate,
                sidecar_socket=own / "portcullis.sock",
                collector_port=collector.port,
                admin_socket=own / "admin.sock",
            )
            envoy = stack.enter_context(Envoy(own, placement))
            running.append(Pod(envoy, sidecar, authority))
        yield Gateway(folder, authority, redis, upstream, collector, provider, tuple(running))

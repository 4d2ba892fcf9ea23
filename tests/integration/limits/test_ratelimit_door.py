"""Envoy's rate-limit door as it is served, on both transports and over a real Redis."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from sidecar._pb.descriptor_pb2 import RateLimitDescriptor
from sidecar._pb.ratelimit_pb2 import RateLimitRequest, RateLimitResponse
from sidecar._pb.ratelimit_pb2_grpc import RateLimitServiceStub
from tests.harness.redis_server import RedisServer
from tests.harness.sidecar import Sidecar, new_master_key
from tests.harness.waiting import until

RULES = "domain: shop\ndescriptors: [{{key: user, rate_limit: {{unit: day, requests_per_unit: {units}}}}}]\n"


@dataclass(frozen=True)
class Door:
    """Two served sidecars on one Redis, and their rules."""

    channels: tuple[grpc.Channel, grpc.Channel]
    rules: Path

    def ask(self, user: str, replica: int = 0, domain: str = "shop", hits: int = 1) -> RateLimitResponse:
        """One call with one descriptor."""
        descriptor = RateLimitDescriptor(entries=[RateLimitDescriptor.Entry(key="user", value=user)])
        request = RateLimitRequest(domain=domain, descriptors=[descriptor], hits_addend=hits)
        response: RateLimitResponse = RateLimitServiceStub(self.channels[replica]).ShouldRateLimit(request, timeout=20)
        return response


@pytest.fixture(scope="module", params=["native", "grpcio"])
def door(request: pytest.FixtureRequest, redis_node: RedisServer) -> Iterator[Door]:
    redis_node.client().flushall()
    with tempfile.TemporaryDirectory(prefix="pcl-") as name:
        folder = Path(name)
        rules = folder / "rules"
        rules.mkdir()
        (rules / "shop.yaml").write_text(RULES.format(units=5))
        (folder / "keys.yaml").write_text("keys: []\n")
        sidecars: list[Sidecar] = []
        try:
            for number in range(2):
                path = folder / f"{number}.yaml"
                document = {
                    "server": {"listen": f"unix:{folder}/{number}.sock", "transport": request.param},
                    "redis": {"url": redis_node.url},
                    "buckets": {"deadline": "500ms"},
                    "authentication": {"api_keys": {"store": "redis"}},
                    "authorization": {"routes": [{"methods": ["POST"], "path": "/"}]},
                    "ratelimit": {"descriptors": "rules"},
                }
                path.write_text(json.dumps(document))
                sidecars.append(Sidecar(f"sidecar-{number}", path, folder / f"{number}.log", new_master_key()))
            with grpc.insecure_channel(sidecars[0].address) as one, grpc.insecure_channel(sidecars[1].address) as other:
                yield Door((one, other), rules)
        finally:
            for sidecar in sidecars:
                sidecar.stop()


def test_two_replicas_share_a_descriptor_s_bucket(door: Door) -> None:
    codes = [door.ask("ann", number % 2).overall_code for number in range(8)]
    assert codes == [RateLimitResponse.OK] * 5 + [RateLimitResponse.OVER_LIMIT] * 3


def test_what_cannot_be_answered_is_a_grpc_error(door: Door) -> None:
    with pytest.raises(grpc.RpcError) as refusal:
        door.ask("ann", domain="")
    assert refusal.value.code() is grpc.StatusCode.UNKNOWN
    assert refusal.value.details() == "rate limit domain must not be empty"
    call = door.channels[0].unary_unary("/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit")
    with pytest.raises(grpc.RpcError) as refusal:
        call(b"\xff\xff", timeout=20)
    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_changed_rules_are_followed_and_bad_ones_are_not(door: Door) -> None:
    def units() -> int:
        return door.ask("bob").statuses[0].current_limit.requests_per_unit

    file = door.rules / "shop.yaml"
    file.write_text("domain: shop\ndescriptors: [{key: user, rate_limit: {unit: fortnight}}]\n")
    assert units() == 5
    file.write_text(RULES.format(units=77))
    until(lambda: units() == 77, "the new rules", lambda: "")
    file.write_text(RULES.format(units=5))
    until(lambda: units() == 5, "the old rules", lambda: "")

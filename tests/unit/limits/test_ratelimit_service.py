"""The door of Envoy's rate-limit filter, on buckets in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from google.protobuf.wrappers_pb2 import UInt64Value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar._pb.descriptor_pb2 import RateLimitDescriptor
from sidecar._pb.ratelimit_pb2 import RateLimitRequest, RateLimitResponse
from sidecar._pb.types_pb2 import RateLimitUnit
from sidecar.limits import BucketSettings, DescriptorSettings, DescriptorSource, Limiter
from sidecar.limits.limit import Charge, Taken
from sidecar.metrics import Metrics
from sidecar.services.ratelimit import RateLimitService

OK, OVER = RateLimitResponse.OK, RateLimitResponse.OVER_LIMIT

CONFIGURATION = """
domain: shop
descriptors:
  - key: user
    rate_limit: {unit: day, requests_per_unit: 5, name: per-user}
  - key: small
    rate_limit: {unit: day, requests_per_unit: 1}
  - key: strict
    rate_limit: {unit: day, requests_per_unit: 5}
    portcullis: {overdraft: false, cost: 2}
  - key: closed
    rate_limit: {unit: day, requests_per_unit: 0}
  - key: free
    rate_limit: {unlimited: true}
  - key: shadow
    shadow_mode: true
    rate_limit: {unit: day, requests_per_unit: 1}
  - key: backend
    quota_mode: true
    metadata: {chosen: {any: yes}}
    rate_limit: {unit: day, requests_per_unit: 1}
  - key: vip
    rate_limit: {unit: day, requests_per_unit: 100, replaces: [{name: per-user}]}
  - key: both
    rate_limit: {unit: hour, requests_per_unit: 3}
    portcullis: {limits: [{rate: 2/15s}]}
"""


class Refused(Exception):
    pass


class Context:
    """The one part of a gRPC context that the service uses."""

    async def abort(self, code: grpc.StatusCode, details: str) -> None:
        raise Refused(code, details)


class Door:
    def __init__(self, folder: Path, **options: Any) -> None:
        file = folder / "shop.yaml"
        file.write_text(CONFIGURATION)
        self.metrics = Metrics()
        source = DescriptorSource(DescriptorSettings(descriptors=file, **options), self.metrics)
        self.service = RateLimitService(source, Limiter(BucketSettings(), self.metrics), self.metrics)

    async def ask(self, *descriptors: RateLimitDescriptor, hits: int = 0, domain: str = "shop") -> RateLimitResponse:
        request = RateLimitRequest(domain=domain, descriptors=descriptors, hits_addend=hits)
        return await self.send(request.SerializeToString())

    async def send(self, payload: bytes) -> RateLimitResponse:
        answer = await self.service.should_rate_limit(payload, Context())
        response = RateLimitResponse.FromString(answer)
        assert response.overall_code != RateLimitResponse.UNKNOWN
        assert all(status.code != RateLimitResponse.UNKNOWN for status in response.statuses)
        return response


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


def of(key: str, value: str = "ann", hits: int | None = None, **more: Any) -> RateLimitDescriptor:
    return RateLimitDescriptor(
        entries=[RateLimitDescriptor.Entry(key=key, value=value)],
        hits_addend=None if hits is None else UInt64Value(value=hits),
        **more,
    )


async def test_statuses_come_in_order_with_limit_remaining_and_reset(door: Door) -> None:
    response = await door.ask(of("user"), of("nobody"), of("free"), of("small"))
    user, nobody, free, small = response.statuses
    assert response.overall_code == OK
    assert (user.current_limit.requests_per_unit, user.current_limit.name) == (5, "per-user")
    assert user.current_limit.unit == RateLimitResponse.RateLimit.DAY
    assert (user.limit_remaining, user.duration_until_reset.seconds) == (4, 86_400 // 5)
    assert (small.limit_remaining, small.duration_until_reset.seconds) == (0, 86_400)
    assert not nobody.HasField("current_limit")
    assert (free.HasField("current_limit"), free.limit_remaining) == (False, 2**32 - 1)


async def test_a_refused_request_charges_nothing_and_says_when_to_come_back(door: Door) -> None:
    assert (await door.ask(of("user"), of("small"))).overall_code == OK
    for _ in range(10):
        response = await door.ask(of("user"), of("small"))
    assert response.overall_code == OVER
    assert [status.code for status in response.statuses] == [OK, OVER]
    assert response.statuses[0].limit_remaining == 4
    headers = {header.key: header.value for header in response.response_headers_to_add}
    assert headers == {"content-type": "application/json", "retry-after": "86400"}
    assert json.loads(response.raw_body)["error"]["type"] == "rate_limit_error"


async def test_two_users_have_two_buckets(door: Door) -> None:
    assert (await door.ask(of("user", "ann"), hits=5)).overall_code == OK
    assert (await door.ask(of("user", "ann"))).overall_code == OVER
    assert (await door.ask(of("user", "bob"))).overall_code == OK


@pytest.mark.parametrize(
    ("request_hits", "hits", "left"),
    [
        (0, None, 4),  # 0 means 1
        (3, None, 2),
        (3, 2, 3),  # the descriptor's own number counts
        (3, 0, 5),  # an explicit 0 asks and charges nothing
    ],
)
async def test_hits(door: Door, request_hits: int, hits: int | None, left: int) -> None:
    response = await door.ask(of("user", hits=hits), hits=request_hits)
    assert response.statuses[0].limit_remaining == left


async def test_a_check_passes_at_the_limit_and_not_in_debt(door: Door) -> None:
    assert (await door.ask(of("user"), hits=5)).overall_code == OK
    assert (await door.ask(of("user", hits=0))).overall_code == OK
    assert (await door.ask(of("user", hits=1))).overall_code == OVER
    assert (await door.ask(of("user", hits=0))).overall_code == OVER


async def test_usage_that_has_happened_is_paid_and_the_debt_is_bounded(door: Door) -> None:
    response = await door.ask(of("user", hits=2**63))
    assert response.overall_code == OVER
    reset = (await door.ask(of("user", hits=0))).statuses[0].duration_until_reset.seconds
    assert reset == 86_400  # five units of debt, and not 2**63
    assert (await door.ask(of("user"))).overall_code == OVER


async def test_usage_is_paid_though_its_request_is_gone(door: Door) -> None:
    answer = asyncio.Event()

    class Slow(Limiter):
        async def take(self, charges: Sequence[Charge]) -> Taken:
            await answer.wait()
            return await super().take(charges)

    door.service._limiter = Slow(BucketSettings(), door.metrics)
    call = asyncio.ensure_future(door.ask(of("user", hits=3)))
    await asyncio.sleep(0)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    answer.set()
    await asyncio.sleep(0)
    assert (await door.ask(of("user", hits=0))).statuses[0].limit_remaining == 2


async def test_usage_is_paid_even_when_another_descriptor_refuses(door: Door) -> None:
    await door.ask(of("small"))
    response = await door.ask(of("small"), of("user", hits=3))
    assert response.overall_code == OVER
    assert response.statuses[1].limit_remaining == 2


async def test_a_rule_can_refuse_overdrafts_and_price_its_hits(door: Door) -> None:
    assert (await door.ask(of("strict", hits=2))).statuses[0].limit_remaining == 1
    assert (await door.ask(of("strict", hits=1))).overall_code == OVER
    assert (await door.ask(of("strict", hits=0))).overall_code == OK


async def test_a_limit_of_nothing_admits_nothing(door: Door) -> None:
    assert (await door.ask(of("closed"))).overall_code == OVER
    assert (await door.ask(of("closed", hits=0))).overall_code == OVER


async def test_a_refund_is_seen_at_once_and_never_overfills(door: Door) -> None:
    await door.ask(of("user"), hits=5)
    assert (await door.ask(of("user"))).overall_code == OVER
    response = await door.ask(of("user", hits=2, is_negative_hits=True))
    assert (response.overall_code, response.statuses[0].limit_remaining) == (OK, 2)
    response = await door.ask(of("user", hits=2**40, is_negative_hits=True))
    assert response.statuses[0].limit_remaining == 5


async def test_shadow_counts_and_never_refuses(door: Door) -> None:
    answers = [await door.ask(of("shadow")) for _ in range(3)]
    assert {answer.overall_code for answer in answers} == {OK}
    assert {answer.statuses[0].code for answer in answers} == {OK}
    assert door.metrics.descriptor_hits.values["shop.shadow", "shadow"] == 2


async def test_global_shadow_refuses_nothing_and_says_what_is_over(tmp_path: Path) -> None:
    door = Door(tmp_path, shadow_mode=True)
    await door.ask(of("small"))
    response = await door.ask(of("small"), of("user"))
    assert response.overall_code == OK
    assert [status.code for status in response.statuses] == [OVER, OK]
    assert response.statuses[1].limit_remaining == 4


async def test_quotas_refuse_only_together(door: Door) -> None:
    east, west = of("backend", "east"), of("backend", "west")
    assert (await door.ask(east)).overall_code == OK
    response = await door.ask(east, west)
    assert response.overall_code == OK
    assert [status.code for status in response.statuses] == [OVER, OK]
    assert (await door.ask(east, west)).overall_code == OVER
    assert (await door.ask(east, west, of("small"))).overall_code == OVER


async def test_a_replaced_limit_is_neither_asked_nor_charged(door: Door) -> None:
    response = await door.ask(of("user"), of("vip"))
    assert not response.statuses[0].HasField("current_limit")
    assert (await door.ask(of("user", hits=0))).statuses[0].limit_remaining == 5


async def test_several_limits_of_one_descriptor_all_hold(door: Door) -> None:
    assert (await door.ask(of("both"), hits=2)).statuses[0].limit_remaining == 0
    response = await door.ask(of("both"))
    assert response.overall_code == OVER
    assert response.statuses[0].duration_until_reset.seconds <= 15


@pytest.mark.parametrize(("units", "first", "left"), [(0, OVER, 0), (1, OK, 0), (2**32 - 1, OK, 2**32 - 2)])
async def test_an_override_counts_instead_of_the_configuration(door: Door, units: int, first: int, left: int) -> None:
    override = RateLimitDescriptor.RateLimitOverride(requests_per_unit=units, unit=RateLimitUnit.HOUR)
    for key in ("user", "nobody"):
        response = await door.ask(of(key, limit=override))
        assert (response.overall_code, response.statuses[0].limit_remaining) == (first, left)
        assert response.statuses[0].current_limit.unit == RateLimitResponse.RateLimit.HOUR
    assert {label for label, _ in door.metrics.descriptor_hits.values} == {"shop.override"}


async def test_metadata_is_answered_when_asked_for(tmp_path: Path) -> None:
    door = Door(tmp_path, metadata=True)
    response = await door.ask(of("backend", "east"), of("user"))
    assert json_format.MessageToDict(response.dynamic_metadata) == {
        "domain": "shop",
        "hitsAddend": 1,
        "descriptors": [{"entries": ["backend=east"]}, {"entries": ["user=ann"]}],
        "metadata": {"chosen": {"any": True}},
    }
    response = await door.ask(of("backend", "east"))
    assert "metadata" not in response.dynamic_metadata


@pytest.mark.parametrize(("setting", "prefix"), [("x-ratelimit", "x-"), ("ratelimit", "")])
async def test_headers_with_what_is_left(tmp_path: Path, setting: str, prefix: str) -> None:
    response = await Door(tmp_path, headers=setting).ask(of("user"), of("small"))
    assert [(header.key, header.value) for header in response.response_headers_to_add] == [
        (f"{prefix}ratelimit-limit", "1"),
        (f"{prefix}ratelimit-remaining", "0"),
        (f"{prefix}ratelimit-reset", "86400"),
    ]


async def test_an_unknown_domain_is_not_limited(door: Door) -> None:
    override = RateLimitDescriptor.RateLimitOverride(requests_per_unit=0, unit=RateLimitUnit.SECOND)
    response = await door.ask(of("user"), of("user", limit=override), domain="bank")
    assert response.overall_code == OK
    assert [status.code for status in response.statuses] == [OK, OK]


@pytest.mark.parametrize(
    ("payload", "code", "details"),
    [
        (
            RateLimitRequest(descriptors=[of("user")]).SerializeToString(),
            grpc.StatusCode.UNKNOWN,
            "rate limit domain must not be empty",
        ),
        (
            RateLimitRequest(domain="shop").SerializeToString(),
            grpc.StatusCode.UNKNOWN,
            "rate limit descriptor list must not be empty",
        ),
        (
            RateLimitRequest(
                domain="shop", descriptors=[of("user", limit=RateLimitDescriptor.RateLimitOverride())]
            ).SerializeToString(),
            grpc.StatusCode.UNKNOWN,
            "rate limit override must name a unit",
        ),
        (
            RateLimitRequest(domain="shop", descriptors=[of("user")] * 257).SerializeToString(),
            grpc.StatusCode.UNKNOWN,
            "rate limit descriptor list must not be longer than 256",
        ),
        (b"\xff\xff\xff", grpc.StatusCode.INVALID_ARGUMENT, "undecodable request"),
    ],
)
async def test_what_cannot_be_answered_is_an_error(
    door: Door, payload: bytes, code: grpc.StatusCode, details: str
) -> None:
    with pytest.raises(Refused) as refusal:
        await door.send(payload)
    assert refusal.value.args == (code, details)


async def test_a_descriptor_without_entries_is_not_limited(door: Door) -> None:
    assert (await door.ask(RateLimitDescriptor())).overall_code == OK


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_bytes_get_anything_but_an_answer_or_an_error(door: Door, payload: bytes) -> None:
    try:
        await door.send(payload)
    except Refused as refusal:
        assert refusal.args[0] in {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INVALID_ARGUMENT}  # noqa: PT017


async def test_labels_of_metrics_are_bounded(tmp_path: Path) -> None:
    door = Door(tmp_path)
    (tmp_path / "shop.yaml").write_text(
        "domain: shop\ndescriptors: [{key: k, detailed_metric: true, rate_limit: {unit: day, requests_per_unit: 1}}]"
    )
    source = DescriptorSource(DescriptorSettings(descriptors=tmp_path / "shop.yaml"), door.metrics)
    door.service.replace(source)
    for number in range(1200):
        await door.ask(of("k", str(number)))
    assert len(door.metrics.descriptor_hits.values) <= 1001
    assert door.metrics.descriptor_hits.values["other", "near"] == 200


async def test_an_enormous_or_binary_value_is_a_value_like_others(door: Door) -> None:
    for value in ("x" * 1_000_000, "\0\x01", "a|b_c:{d}=e/%", "\U0001f600", ""):
        for _ in range(5):
            assert (await door.ask(of("user", value))).overall_code == OK
        assert (await door.ask(of("user", value))).overall_code == OVER

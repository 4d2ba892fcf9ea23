"""Which buckets a request takes from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sidecar.limits import LimitSettings, compile_layers
from sidecar.limits.keys import escape
from sidecar.limits.limit import Algorithm, Limit
from sidecar.principal import Principal
from sidecar.prompt import Prompt
from sidecar.request import HttpRequest

LIMITS = [
    LimitSettings.model_validate(one)
    for one in (
        {"name": "per-ip", "by": ["client_ip"], "rate": "100/minute"},
        {"name": "per-user", "by": ["principal"], "rate": "1000/hour"},
        {"name": "per-tenant-model", "by": ["tenant", "model"], "rate": "10/15s", "burst": 3},
        {"name": "global", "rate": "5000/second"},
    )
]
PLANS = {"free": [LimitSettings.model_validate({"name": "key", "by": ["api_key"], "rate": "60/minute", "burst": 20})]}
LAYERS = compile_layers(LIMITS, PLANS)

REQUEST = HttpRequest(method="POST", path="/v1/chat/completions", client_ip="192.0.2.1")
ANN = Principal("key:1", "api_key", "ann", budget="key:1", tenant="acme", plan="free")
PROMPT = Prompt("openai.chat", "small-1", ())


def names(principal: Principal | None, prompt: Prompt | None = PROMPT) -> list[str]:
    return [charge.limit.name for charge in LAYERS.caller(REQUEST, principal, prompt)]


def test_only_limits_of_the_address_come_before_the_credential() -> None:
    assert [charge.limit.name for charge in LAYERS.address(REQUEST)] == ["per-ip"]
    assert LAYERS.address(HttpRequest(method="GET", path="/")) == ()


def test_a_limit_applies_to_requests_that_have_what_it_is_keyed_by() -> None:
    assert names(ANN) == ["per-user", "per-tenant-model", "global", "key"]
    assert names(ANN, None) == ["per-user", "global", "key"]
    assert names(Principal("jwt:i|s", "jwt", "s", budget="jwt:i|s", plan="free")) == ["per-user", "global"]
    assert names(None) == ["global"]


def test_a_tenant_s_buckets_share_a_slot() -> None:
    keys = [charge.key for charge in LAYERS.caller(REQUEST, ANN, PROMPT)]
    assert [key.partition("}")[0] for key in keys if "global" not in key] == ["{t.acme"] * 3


def test_a_caller_without_tenant_has_a_slot_of_its_own() -> None:
    bob = Principal("key:2", "api_key", "bob", budget="key:2", plan="free")
    keys = [charge.key for charge in LAYERS.caller(REQUEST, bob, PROMPT)]
    assert [key.partition("}")[0] for key in keys if "global" not in key] == ["{p.key%3A2"] * 2


def test_the_same_caller_gets_the_same_charges() -> None:
    first, second = LAYERS.caller(REQUEST, ANN, PROMPT), LAYERS.caller(REQUEST, ANN, PROMPT)
    assert all(one is other for one, other in zip(first, second, strict=True))


@given(st.text(max_size=8), st.text(max_size=8), st.text(max_size=8), st.text(max_size=8))
def test_no_tenant_or_model_reaches_another_s_bucket(tenant: str, model: str, tenant2: str, model2: str) -> None:
    def key(tenant: str, model: str) -> str:
        principal = Principal("p", "jwt", "s", budget="p", tenant=tenant or "t")
        charges = LAYERS.caller(REQUEST, principal, Prompt("a", model, ()))
        return next(charge.key for charge in charges if charge.limit.name == "per-tenant-model")

    same = (tenant or "t", model) == (tenant2 or "t", model2)
    assert (key(tenant, model) == key(tenant2, model2)) == same


@given(st.text(max_size=100), st.text(max_size=100))
def test_escaping_is_injective_and_leaves_no_separator(one: str, other: str) -> None:
    assert (escape(one) == escape(other)) == (one == other)
    assert set(escape(one)).isdisjoint("{}:/|= \0")
    assert 0 < len(escape(one)) <= 64


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"name": "x", "rate": "60"}, "is not a rate"),
        ({"name": "x", "rate": "60/fortnight"}, "is not a window"),
        ({"name": "x", "rate": "60/0s"}, "is not a window"),
        ({"name": "x", "rate": "-1/minute"}, "is not a rate"),
        ({"name": "x", "rate": "4294967296/minute"}, "is not a rate"),
        ({"name": "x", "rate": "1/999999999d"}, "100 years"),
        ({"name": "x", "rate": "1/365d", "burst": 4294967295}, "100 years"),
        ({"name": "x", "rate": "1/minute", "burst": 0}, "greater than or equal to 1"),
        ({"name": "x", "rate": "1/minute", "by": ["user"]}, "'user' is none of client_ip"),
        ({"name": "x", "rate": "1/minute", "by": ["model", "model"]}, "names a key twice"),
        ({"name": "x", "rate": "1/minute", "burst": 2, "algorithm": "fixed_window"}, "has no burst"),
        ({"name": "X y", "rate": "1/minute"}, "should match pattern"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(settings: dict[str, object], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        LimitSettings.model_validate(settings)


@pytest.mark.parametrize("rate", ["60/minute", "1000/15s", "1/100ms", "4294967295/second", "5/7d", "1/year"])
def test_a_rate_is_units_in_a_window(rate: str) -> None:
    limit = LimitSettings.model_validate({"name": "x", "rate": rate}).limit()
    assert limit.burst == limit.units == int(rate.partition("/")[0])
    assert limit.price * limit.units == limit.period_us * limit.ticks


def test_a_bucket_of_another_window_or_algorithm_is_another_bucket() -> None:
    def key(**changes: object) -> str:
        settings = LimitSettings.model_validate({"name": "x", "rate": "5/minute", **changes})
        return compile_layers([settings], {}).caller(REQUEST, None, None)[0].key

    assert key() == key(rate="9/60s", burst=7)
    assert len({key(), key(rate="5/hour"), key(algorithm="fixed_window")}) == 3


def test_limits_are_equal_by_value() -> None:
    assert Limit("a", 1, 1, 1) == Limit("a", 1, 1, 1)
    assert len({Limit("a", 1, 1, 1), Limit("a", 1, 1, 1), Limit("a", 1, 1, 1, algorithm=Algorithm.FIXED_WINDOW)}) == 2

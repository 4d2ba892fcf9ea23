"""Budgets through the whole gateway: shared by pods, exact under concurrency, and useful in what they answer."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.whole import CHAT, TRANSPORTS, Whole, question, start_whole

_BURST = 20  # of the plan `trial`, which gets one unit back in an hour


@pytest.fixture(scope="module", params=TRANSPORTS)
def twins(request: pytest.FixtureRequest, folder: Path) -> Iterator[Whole]:
    """Two pods on one Redis."""
    own = folder / request.param
    own.mkdir()
    with start_whole(own, request.param, pods=2) as running:
        yield running


def _trial_key(whole: Whole) -> str:
    return whole.gateway.pod.sidecar.create_key(tenant="acme", plan="trial", scope="llm:write")


def test_sixteen_clients_over_two_pods_get_the_burst_and_no_more(twins: Whole) -> None:
    key = _trial_key(twins)

    def ask(number: int) -> list[int]:
        with twins.gateway.pods[number % 2].client() as client:
            headers = {"authorization": f"Bearer {key}"}
            return [client.post(CHAT, json=question(), headers=headers).status_code for _ in range(5)]

    with ThreadPoolExecutor(16) as pool:
        statuses = [status for answers in pool.map(ask, range(16)) for status in answers]
    assert sorted(set(statuses)) == [200, 429]
    assert statuses.count(200) == _BURST


def test_what_is_left_is_told_and_falls(twins: Whole) -> None:
    headers = {"authorization": f"Bearer {_trial_key(twins)}"}
    left = [twins.chat(headers=headers).headers["x-ratelimit-remaining-requests"] for _ in range(3)]
    assert left == ["19", "18", "17"]


def test_a_refused_request_costs_nothing(twins: Whole) -> None:
    headers = {"authorization": f"Bearer {_trial_key(twins)}"}
    for _ in range(5):
        assert twins.chat(headers=headers, model="large-1").status_code == 403
    assert twins.chat(headers=headers).headers["x-ratelimit-remaining-requests"] == "19"


def test_every_refusal_says_when_the_next_unit_comes(twins: Whole) -> None:
    headers = {"authorization": f"Bearer {_trial_key(twins)}"}
    for _ in range(_BURST):
        assert twins.chat(headers=headers).status_code == 200
    waits = [int(twins.chat(headers=headers).headers["retry-after"]) for _ in range(3)]
    assert all(3000 < wait <= 3600 for wait in waits), waits


def test_two_keys_do_not_spend_from_one_another(twins: Whole) -> None:
    first, second = (f"Bearer {_trial_key(twins)}" for _ in range(2))
    for _ in range(_BURST + 1):
        twins.chat(headers={"authorization": first})
    assert twins.chat(headers={"authorization": first}).status_code == 429
    assert twins.chat(headers={"authorization": second}).status_code == 200


def test_envoys_rate_limit_filter_asks_the_same_sidecar(twins: Whole) -> None:
    """Who is limited is what Portcullis has just said about the caller, in the YAML of envoyproxy/ratelimit."""
    token = twins.gateway.provider.token(sub="limited")
    responses = [twins.chat(headers={"authorization": f"Bearer {token}"}) for _ in range(4)]
    assert [response.status_code for response in responses] == [200, 200, 200, 429]
    assert "3;w=3600" in responses[0].headers["x-ratelimit-limit"]
    assert responses[0].headers["x-ratelimit-remaining"] == "2"
    refusal = responses[-1]
    assert refusal.json()["error"]["message"]
    assert 0 < int(refusal.headers["retry-after"]) <= 3600
    assert refusal.headers.get_list("strict-transport-security") == ["max-age=63072000; includeSubDomains"]
    assert len(refusal.headers.get_list("retry-after")) == 1

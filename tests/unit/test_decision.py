"""What a refusal looks like to the client, and what an admitted request looks like to the upstream."""

from __future__ import annotations

import json

import pytest

from sidecar.decision import (
    Decision,
    Deny,
    ErrorStyle,
    Evidence,
    Reason,
    budget_headers,
    identity_headers,
    refuse,
    tightest,
)
from sidecar.limits.limit import BucketStatus, Charge, Limit, Taken
from sidecar.principal import Principal
from sidecar.prompt import Prompt

STATUSES = {
    Reason.INVALID_REQUEST: 400,
    Reason.INVALID_BODY: 400,
    Reason.BODY_TOO_LARGE: 413,
    Reason.UNSUPPORTED_MEDIA_TYPE: 415,
    Reason.MISSING_CREDENTIAL: 401,
    Reason.INVALID_CREDENTIAL: 401,
    Reason.INSUFFICIENT_SCOPE: 403,
    Reason.FORBIDDEN: 403,
    Reason.MODEL_NOT_ALLOWED: 403,
    Reason.OVER_LIMIT: 429,
    Reason.PROMPT_REFUSED: 403,
    Reason.UNAVAILABLE: 503,
    Reason.INTERNAL_ERROR: 500,
}


def bucket(name: str, *, remaining: int = 3, retry_us: int = 0, by: tuple[str, ...] = ("principal",)) -> BucketStatus:
    limit = Limit(name=name, units=60, period_us=60_000_000, burst=20, by=by)
    return BucketStatus(Charge(limit, name), remaining, retry_us, 2_500_000, over=retry_us > 0)


@pytest.mark.parametrize("style", list(ErrorStyle))
@pytest.mark.parametrize("reason", list(Reason))
def test_every_refusal_names_its_reason_in_every_format(style: ErrorStyle, reason: Reason) -> None:
    decision = Decision(Deny(reason, "some_code"), Evidence(error_style=style))
    refusal = refuse(decision, Deny(reason, "some_code"))
    assert refusal.status == STATUSES[reason]
    assert dict(refusal.headers)["x-portcullis-reason"] == reason
    assert reason in refusal.body.lower()
    assert "some_code" not in refusal.body
    json.loads(refusal.body)


def test_openai_and_anthropic_and_gemini_clients_find_their_own_shape() -> None:
    deny = Deny(Reason.OVER_LIMIT, "over_limit")
    bodies = {style: json.loads(refuse(Decision(deny, Evidence(error_style=style)), deny).body) for style in ErrorStyle}
    assert bodies[ErrorStyle.OPENAI]["error"]["type"] == "rate_limit_error"
    assert bodies[ErrorStyle.ANTHROPIC]["type"] == "error"
    assert bodies[ErrorStyle.ANTHROPIC]["error"]["type"] == "rate_limit_error"
    assert bodies[ErrorStyle.GEMINI]["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert bodies[ErrorStyle.PROBLEM]["status"] == 429


@pytest.mark.parametrize(
    ("deny", "challenge"),
    [
        (Deny(Reason.MISSING_CREDENTIAL, "x"), 'Bearer realm="portcullis"'),
        (Deny(Reason.INVALID_CREDENTIAL, "key_revoked"), 'Bearer realm="portcullis", error="invalid_token"'),
        (
            Deny(Reason.INSUFFICIENT_SCOPE, "x", scope="llm:write"),
            'Bearer realm="portcullis", error="insufficient_scope", scope="llm:write"',
        ),
        (Deny(Reason.FORBIDDEN, "x"), None),
    ],
)
def test_challenges_follow_rfc_6750(deny: Deny, challenge: str | None) -> None:
    assert dict(refuse(Decision(deny), deny).headers).get("www-authenticate") == challenge


def test_every_way_in_which_a_key_can_be_wrong_looks_the_same() -> None:
    answers = {
        refuse(Decision(deny), deny).body
        for deny in (Deny(Reason.INVALID_CREDENTIAL, code) for code in ("key_unknown", "key_revoked", "key_mismatch"))
    }
    assert len(answers) == 1


def test_over_limit_says_when_to_come_back() -> None:
    taken = Taken(
        admitted=False,
        statuses=(
            bucket("fine"),
            bucket("a", remaining=0, retry_us=1_200_000),
            bucket("b", remaining=0, retry_us=200_000),
        ),
    )
    deny = Deny(Reason.OVER_LIMIT, "over_limit")
    headers = dict(refuse(Decision(deny, Evidence(error_style=ErrorStyle.OPENAI, taken=taken)), deny).headers)
    assert headers["retry-after"] == "2"
    assert headers["x-ratelimit-remaining-requests"] == "0"
    assert headers["x-ratelimit-reset-requests"] == "3s"


def test_budget_headers_use_the_names_of_the_api() -> None:
    status = bucket("x")
    assert dict(budget_headers(ErrorStyle.ANTHROPIC, status, now=lambda: 0.0)) == {
        "anthropic-ratelimit-requests-limit": "20",
        "anthropic-ratelimit-requests-remaining": "3",
        "anthropic-ratelimit-requests-reset": "1970-01-01T00:00:02Z",
    }
    assert dict(budget_headers(ErrorStyle.PROBLEM, status))["ratelimit-reset"] == "3"


def test_a_limit_shared_by_everybody_is_not_shown_to_one_caller() -> None:
    taken = Taken(admitted=True, statuses=(bucket("global", remaining=0, by=()), bucket("mine", remaining=7)))
    shown = tightest(taken)
    assert shown is not None
    assert shown.charge.limit.name == "mine"


@pytest.mark.parametrize("model", ["gpt\r\nx-portcullis-tenant: admin", "modèle", "a\x00b", ""])
def test_a_value_that_is_no_header_text_is_left_out(model: str) -> None:
    principal = Principal(id="key:1", kind="api_key", subject="s", budget="b", scopes=frozenset({"llm:write"}))
    evidence = Evidence(principal=principal, prompt=Prompt("openai.chat", model, ()))
    assert dict(identity_headers(evidence)) == {
        "x-portcullis-principal": "key:1",
        "x-portcullis-scopes": "llm:write",
    }

"""The clients that application developers really use: their own error types, and their own rate-limit headers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from tests.e2e.whole import Whole
from tests.harness import client as clients
from tests.harness.upstream import PIECES

_ANSWER = "".join(PIECES)
_HI: Any = [{"role": "user", "content": "hi"}]
_WRONG: Any = "not a list"


@pytest.fixture
def http(whole: Whole) -> Iterator[httpx2.Client]:
    """A client that trusts the authority of the test."""
    pod = whole.gateway.pod
    with clients.client(pod.port, pod.authority.certificate) as client:
        yield client


def _openai(whole: Whole, http: httpx2.Client, key: str) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=f"{whole.gateway.pod.url}/v1", api_key=key, http_client=http, max_retries=0, timeout=30
    )


def _anthropic(whole: Whole, http: httpx2.Client, key: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=whole.gateway.pod.url, api_key=key, http_client=http, max_retries=0, timeout=30)


def test_openai_completes(whole: Whole, http: httpx2.Client) -> None:
    chat = _openai(whole, http, whole.key).chat.completions
    answer = chat.create(model="small-1", messages=_HI)
    assert answer.choices[0].message.content == _ANSWER


def test_openai_streams(whole: Whole, http: httpx2.Client) -> None:
    chat = _openai(whole, http, whole.key).chat.completions
    stream = chat.create(model="small-1", messages=_HI, stream=True)
    assert [chunk.choices[0].delta.content for chunk in stream] == list(PIECES)


def test_openai_raises_its_own_errors(whole: Whole, http: httpx2.Client) -> None:
    good = _openai(whole, http, whole.key).chat.completions
    with pytest.raises(openai.AuthenticationError) as unknown:
        _openai(whole, http, "nonsense").chat.completions.create(model="small-1", messages=_HI)
    assert unknown.value.code == "invalid_credential"
    with pytest.raises(openai.PermissionDeniedError) as foreign:
        good.create(model="large-1", messages=_HI)
    assert foreign.value.code == "model_not_allowed"
    with pytest.raises(openai.BadRequestError):
        good.create(model="small-1", messages=_WRONG)
    with pytest.raises(openai.PermissionDeniedError) as term:
        good.create(model="small-1", messages=[{"role": "user", "content": "project nightingale"}])
    assert term.value.code == "prompt_refused"
    with pytest.raises(openai.APIStatusError) as large:
        good.create(model="small-1", messages=[{"role": "user", "content": "x" * (1 << 20)}])
    assert large.value.status_code == 413
    assert large.value.code == "body_too_large"


def test_openai_is_told_when_to_come_back(whole: Whole, http: httpx2.Client) -> None:
    key = whole.gateway.pod.sidecar.create_key(tenant="acme", plan="trial", scope="llm:write")
    chat = _openai(whole, http, key).chat.completions
    for _ in range(20):
        chat.create(model="small-1", messages=_HI)
    with pytest.raises(openai.RateLimitError) as over:
        chat.create(model="small-1", messages=_HI)
    assert over.value.code == "over_limit"
    assert 0 < int(over.value.response.headers["retry-after"]) <= 3600
    assert over.value.response.headers["x-ratelimit-limit-requests"] == "20"
    assert over.value.response.headers["x-ratelimit-remaining-requests"] == "0"


def test_anthropic_completes_and_streams(whole: Whole, http: httpx2.Client) -> None:
    messages = _anthropic(whole, http, whole.key).messages
    answer = messages.create(model="small-1", max_tokens=16, messages=_HI)
    assert answer.content[0].type == "text"
    assert answer.content[0].text == _ANSWER
    with messages.stream(model="small-1", max_tokens=16, messages=_HI) as stream:
        assert list(stream.text_stream) == list(PIECES)


def test_anthropic_raises_its_own_errors(whole: Whole, http: httpx2.Client) -> None:
    good = _anthropic(whole, http, whole.key).messages
    with pytest.raises(anthropic.AuthenticationError) as unknown:
        _anthropic(whole, http, "nonsense").messages.create(model="small-1", max_tokens=16, messages=_HI)
    assert unknown.value.body == {
        "type": "error",
        "error": {
            "type": "authentication_error",
            "message": "The API key or bearer token is not valid.",
            "code": "invalid_credential",
        },
    }
    with pytest.raises(anthropic.PermissionDeniedError):
        good.create(model="large-1", max_tokens=16, messages=_HI)
    with pytest.raises(anthropic.BadRequestError):
        good.create(model="small-1", max_tokens=16, messages=_WRONG)
    with pytest.raises(anthropic.APIStatusError) as large:
        good.create(model="small-1", max_tokens=16, messages=[{"role": "user", "content": "x" * (1 << 20)}])
    assert large.value.status_code == 413


def test_anthropic_is_told_when_to_come_back(whole: Whole, http: httpx2.Client) -> None:
    key = whole.gateway.pod.sidecar.create_key(tenant="acme", plan="trial", scope="llm:write")
    messages = _anthropic(whole, http, key).messages
    for _ in range(20):
        messages.create(model="small-1", max_tokens=16, messages=_HI)
    with pytest.raises(anthropic.RateLimitError) as over:
        messages.create(model="small-1", max_tokens=16, messages=_HI)
    assert 0 < int(over.value.response.headers["retry-after"]) <= 3600
    assert over.value.response.headers["anthropic-ratelimit-requests-remaining"] == "0"

"""Credentials through the whole gateway: who passes, as whom, and what of it the upstream learns."""

from __future__ import annotations

import pytest

from tests.e2e.whole import Whole, question
from tests.harness.waiting import until

_HSTS = ["max-age=63072000; includeSubDomains"]


def test_an_api_key_passes_as_its_owner(whole: Whole) -> None:
    response = whole.chat()
    assert response.status_code == 200
    assert response.headers.get_list("strict-transport-security") == _HSTS
    seen = whole.gateway.upstream.last()
    (principal,) = seen.header("x-portcullis-principal")
    assert principal.startswith("key:")
    assert seen.header("x-portcullis-tenant") == ["acme"]
    assert seen.header("x-portcullis-plan") == ["standard"]
    assert whole.key not in repr(seen)


@pytest.mark.parametrize("name", ["x-api-key", "api-key", "authorization"])
def test_the_credential_does_not_reach_the_upstream(whole: Whole, name: str) -> None:
    value = f"Bearer {whole.key}" if name == "authorization" else whole.key
    assert whole.chat(headers={name: value}).status_code == 200
    assert whole.gateway.upstream.last().header(name) == []
    assert whole.key not in repr(whole.gateway.upstream.last())


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "EdDSA"])
def test_a_jwt_passes_as_its_subject(whole: Whole, algorithm: str) -> None:
    token = whole.gateway.provider.token(algorithm=algorithm)
    assert whole.chat(headers={"authorization": f"Bearer {token}"}).status_code == 200
    seen = whole.gateway.upstream.last()
    assert seen.header("x-portcullis-principal") == ["jwt:https://idp.example.com|alice"]
    assert token not in repr(seen)


def test_spoofed_identity_headers_are_replaced(whole: Whole) -> None:
    forged = {
        "x-portcullis-principal": "key:root",
        "X-PORTCULLIS-TENANT": "other",
        "x-portcullis-scopes": "admin",
        "x-portcullis-invented": "1",
        "x-user-id": "root",
    }
    assert whole.chat(headers={**whole.bearer, **forged}).status_code == 200
    seen = whole.gateway.upstream.last()
    assert not set(forged.values()) & {value for _, value in seen.headers}
    assert seen.header("x-portcullis-tenant") == ["acme"]
    assert seen.header("x-portcullis-invented") == []


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"Authorization:\r\n",
        b"Authorization: Bearer\r\n",
        b"Authorization: Bearer \r\n",
        b"Authorization: Basic dXNlcjpwYXNz\r\n",
        b"Authorization: Bearer pcl_live_x_y_z\r\n",
        b"Authorization: Bearer " + b"a" * 20_000 + b"\r\n",
        b"Authorization: Bearer a.b.c\r\n",
        b"Authorization: Bearer \xff\xfe\r\n",
        b"x-api-key: nonsense\r\n",
        b"x-api-key:\r\n",
    ],
)
def test_without_a_good_credential_the_answer_is_401(whole: Whole, line: bytes) -> None:
    before = len(whole.gateway.upstream.seen())
    answer = whole.raw_chat(line)
    assert answer.status == 401
    assert answer.header("x-portcullis-reason")[0] in {"missing_credential", "invalid_credential"}
    assert answer.header("www-authenticate")[0].startswith("Bearer")
    assert answer.header("strict-transport-security") == _HSTS
    assert len(whole.gateway.upstream.seen()) == before


@pytest.mark.parametrize(
    "lines",
    [
        "Authorization: Bearer {key}\r\nAuthorization: Bearer {key}\r\n",
        "x-api-key: {key}\r\nX-Api-Key: {key}\r\n",
        "Authorization: Bearer {key}\r\nx-api-key: other\r\n",
        "Authorization: Bearer {key}, Bearer {key}\r\n",
    ],
    ids=["authorization twice", "x-api-key twice", "two that differ", "joined"],
)
def test_two_credentials_are_refused(whole: Whole, lines: str) -> None:
    before = len(whole.gateway.upstream.seen())
    answer = whole.raw_chat(lines.format(key=whole.key).encode())
    assert answer.status in {400, 401}
    assert len(whole.gateway.upstream.seen()) == before


def test_an_expired_jwt_is_401(whole: Whole) -> None:
    token = whole.gateway.provider.token(expires_in=-120)
    response = whole.chat(headers={"authorization": f"Bearer {token}"})
    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["www-authenticate"]


@pytest.mark.parametrize("claims", [{"iss": "https://evil.example"}, {"aud": "other"}, {"exp": None}, {"aud": None}])
def test_a_jwt_for_somebody_else_is_401(whole: Whole, claims: dict[str, str | None]) -> None:
    token = whole.gateway.provider.token(**claims)  # type: ignore[arg-type]
    assert whole.chat(headers={"authorization": f"Bearer {token}"}).status_code == 401


def test_a_missing_scope_is_403_and_named(whole: Whole) -> None:
    token = whole.gateway.provider.token("llm:read")
    response = whole.chat(headers={"authorization": f"Bearer {token}"})
    assert response.status_code == 403
    assert 'scope="llm:write"' in response.headers["www-authenticate"]


def test_a_model_outside_the_plan_is_403(whole: Whole) -> None:
    response = whole.chat(model="large-1")
    assert (response.status_code, response.headers["x-portcullis-reason"]) == (403, "model_not_allowed")


@pytest.mark.parametrize("path", ["/v1/embeddings", "/admin", "/", "/v1/chat/completions/", "/V1/chat/completions"])
def test_a_path_that_no_route_names_is_refused(whole: Whole, path: str) -> None:
    before = len(whole.gateway.upstream.seen())
    assert whole.send("POST", path, headers=whole.bearer, json=question()).status_code == 403
    assert len(whole.gateway.upstream.seen()) == before


def test_a_revoked_key_stops_working(whole: Whole) -> None:
    sidecar = whole.gateway.pod.sidecar
    key = sidecar.create_key(tenant="acme", plan="standard", scope="llm:write")
    headers = {"authorization": f"Bearer {key}"}
    assert whole.chat(headers=headers).status_code == 200
    sidecar.command("keys", "revoke", key.split("_")[2])
    until(lambda: whole.chat(headers=headers).status_code == 401, "the key is refused", sidecar.tail)

"""The ext_authz door: what Envoy sends becomes a request, and a decision becomes what Envoy obeys."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.rpc import code_pb2
from hypothesis import given
from hypothesis import strategies as st

from sidecar._pb.authorization_pb2 import CheckRequest, CheckResponse
from sidecar._pb.core_pb2 import HeaderValueOption
from sidecar.decision import Allow, Decision, Deny, Evidence, Reason
from sidecar.errors import InvalidRequest
from sidecar.principal import Principal
from sidecar.request import HttpRequest
from sidecar.services.authorization import AuthorizationService, read_request

ALICE = Principal(
    id="key:alice", kind="api_key", subject="alice", budget="alice", tenant="acme", scopes=frozenset({"llm:write"})
)


class Scripted:
    """A policy that says what it is told, and a journal that keeps what it is given."""

    def __init__(self, verdict: Allow | Deny | Exception, evidence: Evidence | None = None) -> None:
        self.verdict = verdict
        self.evidence = evidence or Evidence(principal=ALICE)
        self.recorded: list[Decision] = []

    async def decide(self, request: HttpRequest) -> Decision:
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return Decision(self.verdict, self.evidence)

    def record(self, request: HttpRequest, decision: Decision, started_ns: int, traceparent: str | None) -> None:
        self.recorded.append(decision)


class Call:
    """The little of a servicer context that the door asks for."""

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return ()


def message(**headers: str) -> CheckRequest:
    check = CheckRequest()
    http = check.attributes.request.http
    http.method, http.path, http.host = "POST", "/v1/chat/completions", "api.example.com"
    for name, value in headers.items():
        entry = http.header_map.headers.add()
        entry.key, entry.raw_value = name.replace("_", "-"), value.encode("latin-1")
    return check


async def answer(scripted: Scripted, check: CheckRequest | bytes) -> CheckResponse:
    service = AuthorizationService(scripted, scripted, ("authorization", "x-api-key"))
    payload = check if isinstance(check, bytes) else check.SerializeToString()
    context: Any = Call()
    return CheckResponse.FromString(await service.check(payload, context))


async def test_identity_headers_replace_whatever_the_client_sent() -> None:
    response = await answer(Scripted(Allow()), message(x_portcullis_principal="admin", x_portcullis_role="root"))
    ok = response.ok_response
    set_headers = {option.header.key: option for option in ok.headers}
    assert set_headers["x-portcullis-principal"].header.value == "key:alice"
    for option in ok.headers:
        assert option.append_action == HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
        assert option.HasField("append")
        assert option.append.value is False
    assert "x-portcullis-principal" not in ok.headers_to_remove
    assert {"x-portcullis-plan", "x-portcullis-role", "authorization", "x-api-key"} <= set(ok.headers_to_remove)


async def test_an_answer_kept_for_one_caller_is_not_given_to_another() -> None:
    scripted = Scripted(Allow())
    service = AuthorizationService(scripted, scripted, ("authorization",))
    bob = Evidence(principal=Principal(id="key:bob", kind="api_key", subject="bob", budget="bob"))
    request = read_request(message().SerializeToString())
    spoofed = read_request(message(x_portcullis_role="root").SerializeToString())
    for evidence, asked in ((Evidence(principal=ALICE), request), (bob, request), (bob, spoofed)) * 2:
        ok = CheckResponse.FromString(service.respond(asked, Decision(Allow(), evidence))).ok_response
        assert evidence.principal is not None
        assert ok.headers[0].header.value == evidence.principal.id
        assert ("x-portcullis-role" in ok.headers_to_remove) == (asked is spoofed)


async def test_a_refusal_is_a_denied_response_with_status_and_reason() -> None:
    response = await answer(Scripted(Deny(Reason.FORBIDDEN, "route_not_allowed")), message())
    assert response.status.code == code_pb2.PERMISSION_DENIED
    assert response.denied_response.status.code == 403
    assert response.dynamic_metadata["code"] == "route_not_allowed"
    assert json.loads(response.denied_response.body)["code"] == "forbidden"


async def test_only_a_fault_of_ours_is_an_error_response() -> None:
    response = await answer(Scripted(Deny(Reason.UNAVAILABLE, "store_unavailable")), message())
    assert response.WhichOneof("http_response") == "error_response"
    assert response.status.code == code_pb2.UNAVAILABLE


@pytest.mark.parametrize("fault", [RuntimeError("secret"), RecursionError(), UnicodeDecodeError("a", b"", 0, 0, "x")])
async def test_a_bug_that_an_input_can_reach_is_a_refusal(fault: Exception) -> None:
    scripted = Scripted(fault)
    response = await answer(scripted, message())
    assert response.denied_response.status.code == 500
    assert "secret" not in response.denied_response.body
    assert [decision.verdict.code for decision in scripted.recorded] == ["internal_error"]


async def test_an_empty_check_request_is_refused() -> None:
    response = await answer(Scripted(Allow()), b"")
    assert response.denied_response.status.code == 400


@given(st.binary(max_size=200))
async def test_any_bytes_get_an_explicit_status(payload: bytes) -> None:
    response = await answer(Scripted(Allow()), payload)
    assert response.HasField("status")
    assert response.status.code != code_pb2.OK or read_request(payload)


def test_both_encodings_of_headers_and_bodies_are_read() -> None:
    raw = message(authorization="Bearer x", x_note="caf\xe9")
    raw.attributes.request.http.raw_body = b"\xff{}"
    request = read_request(raw.SerializeToString())
    assert request.headers["x-note"] == ("caf\xe9",)
    assert request.body == b"\xff{}"

    combined = message()
    combined.attributes.request.http.headers.update({"authorization": "a,b", ":path": "/x"})
    combined.attributes.request.http.body = "{}"
    request = read_request(combined.SerializeToString())
    assert request.headers == {"authorization": ("a,b",)}
    assert request.body == b"{}"


def test_doubled_headers_stay_apart() -> None:
    check = message(authorization="Bearer a")
    entry = check.attributes.request.http.header_map.headers.add()
    entry.key, entry.raw_value = "Authorization", b"Bearer b"
    request = read_request(check.SerializeToString())
    with pytest.raises(InvalidRequest):
        request.header("authorization")


@pytest.mark.parametrize(
    ("handed_over", "address"),
    [
        ({"portcullis": {"client_address": "203.0.113.9"}}, "203.0.113.9"),
        ({"portcullis": {"client_address": "::ffff:203.0.113.9"}}, "203.0.113.9"),
        ({"portcullis": {"client_address": "no address"}}, "10.0.0.1"),
        ({"portcullis": {"client_address": 7}}, "10.0.0.1"),
        ({"portcullis": {}}, "10.0.0.1"),
        ({"other": {"client_address": "203.0.113.9"}}, "10.0.0.1"),
        ({}, "10.0.0.1"),
    ],
)
def test_the_address_that_envoy_hands_over_counts_before_that_of_its_peer(
    handed_over: dict[str, dict[str, Any]], address: str
) -> None:
    check = message()
    check.attributes.source.address.socket_address.address = "10.0.0.1"
    for namespace, fields in handed_over.items():
        check.attributes.metadata_context.filter_metadata[namespace].update(fields)
    assert read_request(check.SerializeToString()).client_ip == address

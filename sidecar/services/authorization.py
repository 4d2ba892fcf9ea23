"""ext_authz v3: CheckRequest -> HttpRequest -> Decision -> CheckResponse."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import grpc
import structlog
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from google.rpc import code_pb2

from sidecar._pb.authorization_pb2 import AttributeContext, CheckRequest, CheckResponse
from sidecar._pb.core_pb2 import HeaderValue, HeaderValueOption
from sidecar.decision import (
    IDENTITY_HEADERS,
    Decision,
    Deny,
    Evidence,
    Reason,
    budget_headers,
    identity_headers,
    refuse,
    tightest,
)
from sidecar.errors import InvalidRequest
from sidecar.policy import INSPECTION_DEADLINE
from sidecar.request import (
    HttpRequest,
    canonical_address,
    canonical_host,
    canonical_method,
    split_target,
)
from sidecar.services import wire

SERVICE = "envoy.service.auth.v3.Authorization"

_UNREADABLE = HttpRequest(method="", path="")
_REPLACE = HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
_OWN_PREFIX = "x-portcullis-"
_METADATA, _CLIENT_ADDRESS = "portcullis", "client_address"
_MAX_TEMPLATES = 4096

_GRPC_CODES = {
    400: code_pb2.INVALID_ARGUMENT,
    401: code_pb2.UNAUTHENTICATED,
    403: code_pb2.PERMISSION_DENIED,
    413: code_pb2.INVALID_ARGUMENT,
    415: code_pb2.INVALID_ARGUMENT,
    429: code_pb2.RESOURCE_EXHAUSTED,
    500: code_pb2.INTERNAL,
    503: code_pb2.UNAVAILABLE,
}


class Decider(Protocol):
    """What this door needs of the policy."""

    async def decide(self, request: HttpRequest) -> Decision:
        """Decide about one request."""


class Journal(Protocol):
    """Where decisions are counted, traced and logged."""

    def record(self, request: HttpRequest, decision: Decision, started_ns: int, traceparent: str | None) -> None:
        """Keep one decision."""


class AuthorizationService:
    """The servicer of `envoy.service.auth.v3.Authorization`.

    It takes and gives bytes, so that a message which does not parse is answered like any other bad request: Envoy
    lets a request pass on a gRPC error wherever an operator has set `failure_mode_allow`.
    """

    def __init__(self, policy: Decider, journal: Journal, credential_headers: Sequence[str]) -> None:
        self._policy = policy
        self._journal = journal
        self._credential_headers = tuple(credential_headers)
        self._templates: dict[object, bytes] = {}

    def replace(self, policy: Decider, credential_headers: Sequence[str]) -> None:
        """Decide by another policy from the next call on; calls under way end under the one they began with."""
        self._policy = policy
        self._credential_headers = tuple(credential_headers)
        self._templates = {}

    async def check(self, payload: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        """Answer one serialized CheckRequest with one serialized CheckResponse, whose status is always set."""
        started = time.time_ns()
        request = _UNREADABLE
        try:
            request = read_request(payload)
            decision = await self._policy.decide(request)
        except InvalidRequest as bad:
            decision = Decision(Deny(Reason.INVALID_REQUEST, bad.code))
        except Exception:  # a bug that an input can reach must not become a pass
            structlog.get_logger().exception("decision_failed", request_id=request.request_id)
            decision = Decision(Deny(Reason.INTERNAL_ERROR, "internal_error"))
        self._journal.record(request, decision, started, _traceparent(context))
        return self.respond(request, decision)

    def respond(self, request: HttpRequest, decision: Decision) -> bytes:
        """The serialized CheckResponse that carries out a decision."""
        verdict = decision.verdict
        if isinstance(verdict, Deny):
            return _denied(decision, verdict)
        return self._allowed(request, decision)

    def _allowed(self, request: HttpRequest, decision: Decision) -> bytes:
        evidence = decision.evidence
        template = self._known_template(evidence)
        strangers = tuple([name for name in request.headers if name.startswith(_OWN_PREFIX)])
        if strangers:
            template = self._template(tuple(identity_headers(evidence)), strangers)
        status = tightest(evidence.taken) if evidence.taken is not None else None
        if status is None:
            return template
        return template + wire.response_headers(budget_headers(evidence.error_style, status))

    def _known_template(self, evidence: Evidence) -> bytes:
        """The template for whoever asks for this model; made once."""
        caller, prompt = evidence.principal, evidence.prompt
        who = None if caller is None else (caller.id, caller.tenant, caller.plan, caller.scopes)
        rules = tuple([finding.rule for finding in evidence.findings])
        known = (who, None if prompt is None else prompt.model, rules)
        template = self._templates.get(known)
        if template is None:
            if len(self._templates) >= _MAX_TEMPLATES:
                self._templates.clear()
            template = self._templates[known] = self._template(tuple(identity_headers(evidence)), ())
        return template

    def _template(self, identity: tuple[tuple[str, str], ...], strangers: tuple[str, ...]) -> bytes:
        """All of an admitting response that does not change from one request of a caller to the next."""
        response = CheckResponse()
        response.status.code = code_pb2.OK
        _set_headers(response.ok_response.headers, identity)
        # Envoy removes after it sets: a name in both lists would be lost.
        remove = dict.fromkeys((*IDENTITY_HEADERS, *strangers, *self._credential_headers))
        for name, _ in identity:
            del remove[name]
        response.ok_response.headers_to_remove.extend(remove)
        return response.SerializeToString()

    def register(self, server: grpc.aio.Server) -> None:
        """Add the service to a grpcio server, or to one that stands in for it."""
        register_unary(server, SERVICE, {"Check": self.check})


def register_unary(server: grpc.aio.Server, service: str, methods: dict[str, Callable[..., Any]]) -> None:
    """Add unary methods that take and give bytes to a server, as generated code does for messages."""
    handlers = {name: grpc.unary_unary_rpc_method_handler(method) for name, method in methods.items()}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    server.add_registered_method_handlers(service, handlers)


def read_request(payload: bytes) -> HttpRequest:
    """Parse a serialized CheckRequest.

    Both encodings of headers and bodies are read. Raises InvalidRequest for what is malformed or ambiguous, an empty
    message included.
    """
    try:
        attributes = CheckRequest.FromString(payload).attributes
    except DecodeError:
        raise InvalidRequest("undecodable_check_request") from None
    http = attributes.request.http
    headers = _raw_headers(http.header_map.headers)
    if not headers:
        # The combined form: Envoy has joined doubled headers with commas, which no credential may contain.
        headers = {name.lower(): (value,) for name, value in http.headers.items() if name[:1] != ":"}
    path, query = split_target(http.path)
    body: bytes | None = http.raw_body
    if not body:
        body = http.body.encode("utf-8") or None
    source = attributes.source
    return HttpRequest(
        method=canonical_method(http.method),
        path=path,
        host=canonical_host(http.host),
        scheme=http.scheme,
        query=query,
        headers=headers,
        client_ip=_client_ip(attributes),
        body=body,
        request_id=_request_id(headers),
        peer_principal=source.principal,
        peer_certificate=source.certificate,
        extensions=dict(attributes.context_extensions),
    )


def request_from_json(text: str) -> HttpRequest:
    """The same from protobuf JSON; raises InvalidRequest(`undecodable_check_request`) also for what is no such JSON."""
    try:
        message = json_format.Parse(text, CheckRequest())
    except json_format.ParseError:
        raise InvalidRequest("undecodable_check_request") from None
    return read_request(message.SerializeToString())


def _raw_headers(entries: Iterable[HeaderValue]) -> dict[str, tuple[str, ...]]:
    """The uncombined form (`encode_raw_headers`): doubled headers stay apart, bytes stay bytes."""
    headers: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        name = entry.key.lower()
        if name[:1] != ":":
            raw = entry.raw_value
            value = str(raw, "latin-1") if raw else entry.value
            headers[name] = (*headers[name], value) if name in headers else (value,)
    return headers


def _client_ip(attributes: AttributeContext) -> str:
    """The address that Envoy trusts.

    `source` is only the peer of the connection, hence the load balancer where there is one. Envoy's configuration can
    hand over, as metadata that no client can write, what it has read from x-forwarded-for.
    """
    handed_over = attributes.metadata_context.filter_metadata
    if _METADATA in handed_over:
        address = canonical_address(handed_over[_METADATA].fields[_CLIENT_ADDRESS].string_value)
        if address:
            return address
    return canonical_address(attributes.source.address.socket_address.address)


def _request_id(headers: dict[str, tuple[str, ...]]) -> str:
    """Only what looks like an id: the header is the client's wherever Envoy is told to keep it."""
    value = headers.get("x-request-id", ("",))[0]
    return value if len(value) <= 64 and value.replace("-", "").isalnum() and value.isascii() else ""


def _traceparent(context: grpc.aio.ServicerContext[Any, Any]) -> str | None:
    """The trace context of the call itself, whose parent is Envoy's own span of this check."""
    for name, value in context.invocation_metadata() or ():
        if name == "traceparent":
            return value if isinstance(value, str) else value.decode("latin-1")
    return None


def _denied(decision: Decision, deny: Deny) -> bytes:
    refusal = refuse(decision, deny)
    response = CheckResponse()
    response.status.code = _GRPC_CODES[refusal.status]
    # Only what no input can bring about may follow the operator's `failure_mode_allow`.
    ours = deny.reason is Reason.UNAVAILABLE and deny.code != INSPECTION_DEADLINE
    denied = response.error_response if ours else response.denied_response
    denied.status.code = refusal.status  # type: ignore[assignment]
    _set_headers(denied.headers, refusal.headers)
    denied.body = refusal.body
    response.dynamic_metadata.update({"reason": str(deny.reason), "code": deny.code})
    return response.SerializeToString()


def _set_headers(target: Any, headers: Iterable[tuple[str, str]]) -> None:
    """Both the new and the old way to say «replace»: Envoy's default is to append to what the client sent."""
    for name, value in headers:
        option = target.add()
        option.header.key = name
        option.header.value = value
        option.append_action = _REPLACE
        option.append.value = False

"""CheckRequests to knock with."""

from __future__ import annotations

import grpc

from sidecar._pb.authorization_pb2 import CheckRequest, CheckResponse

METHOD = "/envoy.service.auth.v3.Authorization/Check"
BODY = b'{"model":"small-1","messages":[{"role":"user","content":"What is a portcullis?"}]}'


def question(key: str, body: bytes = BODY, path: str = "/v1/chat/completions", **headers: str) -> CheckRequest:
    """What Envoy asks about a chat completion. A header `content_encoding=` is `content-encoding`."""
    check = CheckRequest()
    check.attributes.source.address.socket_address.address = "203.0.113.7"
    http = check.attributes.request.http
    http.method, http.path, http.host, http.raw_body = "POST", path, "llm.example.com", body
    fields = {"authorization": f"Bearer {key}", "content-type": "application/json", "content-length": str(len(body))}
    for name, value in (fields | {name.replace("_", "-"): value for name, value in headers.items()}).items():
        entry = http.header_map.headers.add()
        entry.key, entry.raw_value = name, value.encode("latin-1")
    return check


def ask(channel: grpc.Channel, payload: CheckRequest | bytes, timeout: float = 20) -> CheckResponse:
    """Ask in bytes, so that what is no CheckRequest can be asked too."""
    call = channel.unary_unary(METHOD)
    sent = payload if isinstance(payload, bytes) else payload.SerializeToString()
    return CheckResponse.FromString(call(sent, timeout=timeout))


def status_of(response: CheckResponse) -> int:
    """The HTTP status that Envoy will answer with: 200 stands for an admitted request."""
    assert response.HasField("status"), "an answer without a status lets the request pass"
    if response.status.code == 0:
        return 200
    chosen = response.WhichOneof("http_response")
    assert chosen in {"denied_response", "error_response"}
    status: int = getattr(response, chosen).status.code
    return status

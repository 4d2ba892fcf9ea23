"""What the benchmarks ask: the CheckRequest that Envoy sends for a chat completion with a prompt of 1 kB."""

from __future__ import annotations

import json

from sidecar._pb.authorization_pb2 import CheckRequest

METHOD = "/envoy.service.auth.v3.Authorization/Check"
# A trace context whose parent was not sampled, as with Envoy's default on a busy gateway.
UNSAMPLED = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
MODEL = "small-1"

_SENTENCE = "The quarterly report says that revenue grew in the north while costs of transport fell in the south. "
PROMPT = (_SENTENCE * 11)[:1024]
BODY = json.dumps(
    {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": "You summarise reports for managers who have one minute."},
            {"role": "user", "content": PROMPT},
        ],
        "max_tokens": 256,
    }
).encode()


def completion(credential: str, body: bytes = BODY) -> bytes:
    """The serialized CheckRequest, with raw headers and a raw body."""
    request = CheckRequest()
    attributes = request.attributes
    attributes.source.address.socket_address.address = "203.0.113.7"
    attributes.source.address.socket_address.port_value = 40_000
    attributes.destination.address.socket_address.address = "10.0.0.5"
    attributes.destination.address.socket_address.port_value = 8443
    attributes.request.time.seconds = 1_790_000_000
    attributes.tls_session.sni = "llm.example.com"
    http = attributes.request.http
    http.id = "1234567890"
    http.method, http.path, http.host, http.scheme = "POST", "/v1/chat/completions", "llm.example.com", "https"
    http.protocol, http.size, http.raw_body = "HTTP/2", len(body), body
    headers = {
        ":method": "POST",
        ":path": "/v1/chat/completions",
        ":authority": "llm.example.com",
        ":scheme": "https",
        "authorization": f"Bearer {credential}",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "accept": "application/json",
        "accept-encoding": "gzip, deflate",
        "user-agent": "OpenAI/Python 2.0.0",
        "x-forwarded-for": "203.0.113.7",
        "x-forwarded-proto": "https",
        "x-request-id": "5f2c1f1e-6b0a-4f0e-9d0a-3a1f2b3c4d5e",
    }
    for name, value in headers.items():
        header = http.header_map.headers.add()
        header.key, header.raw_value = name, value.encode()
    return request.SerializeToString()

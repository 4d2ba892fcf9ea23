"""The least that an ext_authz server can do, to measure ours against.

`python -m tests.bench.floor KIND TRANSPORT PATH` serves on a Unix socket. The kind `empty` answers the same bytes
whatever it is asked; `parse` is an ordinary servicer: it parses the request, looks at one header, builds the answer.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc
import uvloop

from sidecar import transport
from sidecar._pb.authorization_pb2 import CheckRequest, CheckResponse
from sidecar._pb.authorization_pb2_grpc import AuthorizationServicer, add_AuthorizationServicer_to_server
from sidecar.services.authorization import SERVICE, register_unary


class Parse(AuthorizationServicer):
    """Parses, looks at one header, allows."""

    async def Check(  # noqa: N802 - the name in the protocol
        self, request: CheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> CheckResponse:
        """Allow the request and say whether it had a credential."""
        known = any(header.key == "authorization" for header in request.attributes.request.http.header_map.headers)
        response = CheckResponse()
        response.status.code = 0
        header = response.ok_response.headers.add().header
        header.key, header.value = "x-credential", str(known)
        return response


async def _empty(_: bytes, __: grpc.aio.ServicerContext[Any, Any]) -> bytes:
    return b"\x0a\x00\x1a\x00"  # an OK status and an empty ok_response


async def serve(kind: str, choice: str, path: str) -> None:
    """Serve until the process is ended."""
    server, _ = transport.create(choice, 16 << 20)
    if kind == "empty":
        register_unary(server, SERVICE, {"Check": _empty})
    else:
        add_AuthorizationServicer_to_server(Parse(), server)
    server.add_insecure_port(f"unix:{path}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(*sys.argv[1:]))

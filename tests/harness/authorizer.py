"""A stand-in for Portcullis where a test is about Envoy: it answers as told and keeps what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc

from sidecar._pb import authorization_pb2 as pb
from sidecar._pb import authorization_pb2_grpc as pb_grpc

Answer = Callable[[pb.CheckRequest], pb.CheckResponse]


def allow(_: pb.CheckRequest) -> pb.CheckResponse:
    """Let everything pass."""
    response = pb.CheckResponse()
    response.status.code = 0
    response.ok_response.SetInParent()
    return response


class Authorizer(pb_grpc.AuthorizationServicer):
    """ext_authz on a Unix socket. `answer` may be replaced at any time; it is called in a thread of the server."""

    def __init__(self, path: Path) -> None:
        self.answer: Answer = allow
        self._lock = threading.Lock()
        self._asked: list[pb.CheckRequest] = []
        self._metadata: list[dict[str, str]] = []
        self._server = grpc.server(futures.ThreadPoolExecutor(8, "authorizer"))
        pb_grpc.add_AuthorizationServicer_to_server(self, self._server)
        self._server.add_insecure_port(f"unix:{path}")
        self._server.start()

    def asked(self) -> list[pb.CheckRequest]:
        """Every question so far."""
        with self._lock:
            return list(self._asked)

    def metadata(self, name: str) -> list[str]:
        """The values of one item of gRPC metadata, over all calls so far."""
        with self._lock:
            return [items[name] for items in self._metadata if name in items]

    def Check(  # noqa: N802 - the name in the protocol
        self, request: pb.CheckRequest, context: grpc.ServicerContext
    ) -> pb.CheckResponse:
        """Keep the question, give the answer."""
        with self._lock:
            self._asked.append(request)
            self._metadata.append({item.key: str(item.value) for item in context.invocation_metadata()})
        return self.answer(request)

    def stop(self) -> None:
        """Stop answering, as if the process had died."""
        self._server.stop(grace=0).wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

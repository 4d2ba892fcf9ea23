"""Clients of the gateway: a well-behaved one, and one that sends whatever bytes it is told to."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path

import httpx2


def client(port: int, authority: Path, *, http2: bool = False) -> httpx2.Client:
    """An HTTP client of https://localhost:`port` that trusts only `authority`."""
    tls = ssl.create_default_context(cafile=str(authority))
    return httpx2.Client(base_url=f"https://localhost:{port}", verify=tls, http2=http2, trust_env=False, timeout=30)


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What came back for raw bytes. Names of headers are lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> list[str]:
        """All values of one header."""
        return [value for key, value in self.headers if key == name]


def connect(port: int, authority: Path) -> ssl.SSLSocket:
    """A TLS connection to the gateway that speaks HTTP/1.1."""
    tls = ssl.create_default_context(cafile=str(authority))
    tls.set_alpn_protocols(["http/1.1"])
    return tls.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=30), server_hostname="localhost")


def send_raw(port: int, authority: Path, request: bytes) -> RawAnswer:
    """Send bytes that no HTTP library would, over TLS, and read one answer."""
    with connect(port, authority) as connection:
        connection.sendall(request)
        response = HTTPResponse(connection)
        response.begin()
        headers = tuple((name.lower(), value) for name, value in response.getheaders())
        return RawAnswer(response.status, headers, response.read())

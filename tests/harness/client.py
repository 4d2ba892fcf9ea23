"""Clients of the gateway: a well-behaved one, and one that sends whatever bytes it is told to."""

from __future__ import annotations

import contextlib
import socket
import ssl
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path

import h2.config
import h2.connection
import h2.errors
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


def flood_of_resets(port: int, authority: Path, path: str, body: bytes, *, streams: int, key: str = "") -> None:
    """Send `streams` requests on one HTTP/2 connection, each reset at once, as long as the gateway puts up with it."""
    tls = ssl.create_default_context(cafile=str(authority))
    tls.set_alpn_protocols(["h2"])
    headers = [(":method", "POST"), (":path", path), (":scheme", "https"), (":authority", "localhost")]
    if key:
        headers.append(("authorization", f"Bearer {key}"))
    plain = socket.create_connection(("127.0.0.1", port), timeout=30)
    with contextlib.suppress(OSError), tls.wrap_socket(plain, server_hostname="localhost") as connection:
        http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        http.initiate_connection()
        for _ in range(streams):
            stream = http.get_next_available_stream_id()
            http.send_headers(stream, headers)
            http.send_data(stream, body, end_stream=True)
            http.reset_stream(stream, h2.errors.ErrorCodes.CANCEL)
            connection.sendall(http.data_to_send())

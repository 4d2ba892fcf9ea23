"""A peer that breaks the rules harms nobody but itself, on either transport."""

from __future__ import annotations

import asyncio
import os
import socket
import struct

import grpc
import h2.config
import h2.connection
import h2.settings
import pytest

from tests.integration.doors.conftest import Door
from tests.integration.doors.questions import METHOD, ask, question, status_of


def connect(door: Door) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    peer.connect(str(door.socket))
    peer.settimeout(20)
    return peer


def served(door: Door) -> bool:
    """Whether somebody who keeps the rules is answered."""
    with grpc.insecure_channel(door.sidecar.address) as channel:
        return status_of(ask(channel, question(door.key))) == 200


def client_connection() -> h2.connection.H2Connection:
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    connection.initiate_connection()
    return connection


def start_call(connection: h2.connection.H2Connection, payload: bytes, *, end: bool = True) -> int:
    stream = connection.get_next_available_stream_id()
    connection.send_headers(
        stream,
        [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", METHOD),
            (":authority", "portcullis"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
        ],
    )
    if payload:
        connection.send_data(stream, struct.pack("!BI", 0, len(payload)) + payload, end_stream=end)
    return stream


def test_garbage_on_the_socket_harms_nobody(shared_door: Door) -> None:
    for junk in (b"GET / HTTP/1.1\r\n\r\n", os.urandom(4096), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + os.urandom(4096)):
        with connect(shared_door) as peer:
            peer.sendall(junk)
            assert served(shared_door)
    assert served(shared_door)


def test_a_half_open_peer_holds_nobody_up(shared_door: Door) -> None:
    """It begins a call, says how long its message will be, and falls silent."""
    silent = [connect(shared_door) for _ in range(50)]
    for peer in silent:
        connection = client_connection()
        stream = start_call(connection, b"")
        connection.send_data(stream, struct.pack("!BI", 0, 1000) + b"half")
        peer.sendall(connection.data_to_send())
    assert served(shared_door)
    for peer in silent:
        peer.close()


def test_a_slow_reader_holds_nobody_up(shared_door: Door) -> None:
    """It asks and never reads: no window for the answers to come."""
    with connect(shared_door) as peer:
        connection = client_connection()
        connection.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
        payload = question(shared_door.key).SerializeToString()
        for _ in range(40):
            start_call(connection, payload)
        peer.sendall(connection.data_to_send())
        assert served(shared_door)


def test_reset_calls_harm_nobody(shared_door: Door) -> None:
    with connect(shared_door) as peer:
        connection = client_connection()
        payload = question(shared_door.key).SerializeToString()
        for _ in range(60):
            stream = start_call(connection, payload)
            connection.reset_stream(stream)
        peer.sendall(connection.data_to_send())
        assert served(shared_door)


def test_an_oversized_message_is_refused_and_the_next_one_served(shared_door: Door) -> None:
    with grpc.insecure_channel(shared_door.sidecar.address) as channel:
        with pytest.raises(grpc.RpcError) as refused:
            ask(channel, b"\0" * ((1 << 20) + 1))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert status_of(ask(channel, question(shared_door.key))) == 200


RETRIES = """{"methodConfig": [{"name": [{"service": "envoy.service.auth.v3.Authorization"}], "retryPolicy":
 {"maxAttempts": 5, "initialBackoff": "0.02s", "maxBackoff": "0.2s", "backoffMultiplier": 2,
  "retryableStatusCodes": ["UNAVAILABLE"]}}]}"""


async def test_a_storm_of_cancelled_calls_harms_no_call_that_is_tried_again(door: Door) -> None:
    """The native transport closes a connection that resets too much, and every call on it fails as UNAVAILABLE.

    Envoy's configuration tries such a call again (`retry_policy` of ext_authz), and so does this client.
    """
    payload = question(door.key).SerializeToString()
    options = [("grpc.service_config", RETRIES), ("grpc.enable_retries", 1)]
    async with grpc.aio.insecure_channel(door.sidecar.address, options=options) as channel:
        call = channel.unary_unary(METHOD)
        for _ in range(5):
            doomed = [call(payload, timeout=20) for _ in range(300)]
            good = [call(payload, timeout=20) for _ in range(20)]
            await asyncio.sleep(0)
            for one in doomed:
                one.cancel()
            await asyncio.gather(*doomed, return_exceptions=True)
            answers = await asyncio.gather(*good)
            assert len(answers) == 20

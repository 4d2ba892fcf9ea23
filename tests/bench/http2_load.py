"""A gRPC client that costs almost nothing: HTTP/2 frames made once, so that the server is the slower half.

A Python gRPC client needs more time for a call than a fast server does. This one sends the same unary call over and
over on one connection, as Envoy's worker does, and reads of the answers only where they end.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections import deque
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS = 1, 1, 4
_INITIAL_WINDOW_SETTING = 4
_INITIAL_WINDOW = 65_535
_HUGE_WINDOW = (1 << 31) - 1
_STREAMS = 1 << 30


class LoadFailed(Exception):
    """The server refused a call or closed the connection."""


class Connection:
    """One HTTP/2 connection to a Unix socket. `call` is the serialized request; `metadata` goes with every call."""

    def __init__(self, path: str, method: str, call: bytes, metadata: Iterable[tuple[str, str]] = ()) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(path)
        fields = [
            (":path", method),
            (":authority", "portcullis"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            *metadata,
        ]
        # Fields that every call repeats go into HPACK's dynamic table with the first one; the newest has index 62.
        self._first_block = b"\x83\x86" + b"".join(_literal(name, value) for name, value in fields)
        self._block = b"\x83\x86" + bytes(0x80 | 62 + index for index in reversed(range(len(fields))))
        message = b"\0" + struct.pack(">I", len(call)) + call
        self._pieces = [message[start : start + 16_384] for start in range(0, len(message), 16_384)]
        self._size = len(message)
        self._next_stream = 1
        self._window = _INITIAL_WINDOW
        self._stream_window = _INITIAL_WINDOW
        self._unacknowledged = 0
        self._buffer = bytearray()
        self.answer = b""
        settings = struct.pack(">HIHI", _INITIAL_WINDOW_SETTING, _HUGE_WINDOW, 2, 0)  # our streams' window; no push
        window = struct.pack(">I", _HUGE_WINDOW - _INITIAL_WINDOW)
        self._socket.sendall(_PREFACE + _frame(_SETTINGS, 0, 0, settings) + _frame(_WINDOW_UPDATE, 0, 0, window))
        self._pending: dict[int, float] = {}
        self._answered: set[int] = set()

    def run(self, seconds: float, in_flight: int) -> deque[float]:
        """Keep `in_flight` calls under way for `seconds`; the latency of each answered call in seconds.

        Raises LoadFailed when a call is answered without a message, or the connection ends.
        """
        latencies: deque[float] = deque()
        self._fill(in_flight)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            self._receive(latencies)
            self._fill(in_flight)
        while self._pending:
            self._receive(latencies)
        return latencies

    def _fill(self, in_flight: int) -> None:
        frames = []
        while len(self._pending) < in_flight and self._window >= self._size and self._stream_window >= self._size:
            stream = self._next_stream
            frames.append(_frame(_HEADERS, _END_HEADERS, stream, self._first_block if stream == 1 else self._block))
            last = len(self._pieces) - 1
            for index, piece in enumerate(self._pieces):
                frames.append(_frame(_DATA, _END_STREAM if index == last else 0, stream, piece))
            self._window -= self._size
            self._pending[stream] = time.perf_counter()
            self._next_stream += 2
            if self._next_stream > _STREAMS:
                raise LoadFailed("the connection has no stream numbers left")
        if frames:
            self._send(b"".join(frames))

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            # A server that can't write either would stop reading: take its answers in while waiting.
            readable, writable, _ = select.select([self._socket], [self._socket], [], 10)
            if readable:
                self._read()
            if writable:
                view = view[self._socket.send(view, socket.MSG_DONTWAIT) :]
            elif not readable:
                raise LoadFailed("the server has stopped reading")

    def _read(self) -> None:
        data = self._socket.recv(1 << 20)
        if not data:
            raise LoadFailed("the server closed the connection")
        self._buffer += data

    def _receive(self, latencies: deque[float]) -> None:
        self._socket.settimeout(10)
        if not self._take_frames(latencies):
            self._read()
            self._take_frames(latencies)

    def _take_frames(self, latencies: deque[float]) -> bool:
        now, replies, seen = time.perf_counter(), [], False
        for kind, flags, stream, payload in self._frames():
            seen = True
            if kind == _DATA:
                self._answered.add(stream)
                self._unacknowledged += len(payload)
                self.answer = payload[5:] or self.answer
            elif kind == _HEADERS and flags & _END_STREAM:
                latencies.append(now - self._pending.pop(stream))
                if stream not in self._answered:
                    raise LoadFailed("a call was answered without a message")
                self._answered.discard(stream)
            else:
                replies.append(self._control(kind, flags, stream, payload))
        if self._unacknowledged > 1 << 24:
            replies.append(_frame(_WINDOW_UPDATE, 0, 0, struct.pack(">I", self._unacknowledged)))
            self._unacknowledged = 0
        self._socket.sendall(b"".join(replies))
        return seen

    def _frames(self) -> Iterator[tuple[int, int, int, bytes]]:
        """Every complete frame that has arrived: kind, flags, stream, payload."""
        buffer, position = self._buffer, 0
        while len(buffer) - position >= 9:
            size = int.from_bytes(buffer[position : position + 3], "big")
            end = position + 9 + size
            if len(buffer) < end:
                break
            stream = int.from_bytes(buffer[position + 5 : position + 9], "big") & 0x7FFFFFFF
            yield buffer[position + 3], buffer[position + 4], stream, bytes(buffer[position + 9 : end])
            position = end
        del buffer[:position]

    def _control(self, kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        """Heed a frame about the connection; the frame to answer it with, if any."""
        if kind == _WINDOW_UPDATE and stream == 0:
            self._window += int.from_bytes(payload, "big")
        elif kind == _SETTINGS and not flags & _ACK:
            for setting, value in struct.iter_unpack(">HI", payload):
                if setting == _INITIAL_WINDOW_SETTING:
                    self._stream_window = value
            return _frame(_SETTINGS, _ACK, 0, b"")
        elif kind == _PING and not flags & _ACK:
            return _frame(_PING, _ACK, 0, payload)
        elif kind in {_RESET, _GOAWAY}:
            raise LoadFailed(f"the server ended a stream or the connection: {payload.hex()}")
        return b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload) << 8 | kind) + struct.pack(">BI", flags, stream) + payload


def _literal(name: str, value: str) -> bytes:
    """A field that is added to the dynamic table, without Huffman coding (RFC 7541, section 6.2.1)."""
    return b"\x40" + _string(name) + _string(value)


def _string(text: str) -> bytes:
    data = text.encode()
    return (bytes([len(data)]) if len(data) < 127 else b"\x7f" + _varint(len(data) - 127)) + data


def _varint(number: int) -> bytes:
    encoded = b""
    while number >= 128:
        encoded += bytes([number & 127 | 128])
        number >>= 7
    return encoded + bytes([number])

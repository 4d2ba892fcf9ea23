"""The structured log: one JSON object a line on standard error, built from an allow-list of fields."""

from __future__ import annotations

import atexit
import contextlib
import logging
import queue
import sys
import threading
import time
from collections.abc import MutableMapping
from typing import Any, TextIO, cast

import structlog

FIELDS = frozenset(
    {
        "address",
        "api",
        "attempts",
        "client_ip",
        "code",
        "component",
        "count",
        "duration_ms",
        "error",
        "exception",
        "file",
        "findings",
        "fix",
        "host",
        "issuer",
        "key",
        "key_id",
        "limit",
        "limits",
        "method",
        "mode",
        "model",
        "path",
        "plan",
        "principal",
        "problem",
        "reason",
        "request_id",
        "route",
        "seconds",
        "state",
        "status",
        "tenant",
        "trace_id",
        "transport",
        "verdict",
        "version",
    }
)
"""The only fields that a record may have besides event, level, logger and timestamp. Prompts, credentials and query
strings have no field, and so no way into the log."""

_ALWAYS = frozenset({"event", "level", "timestamp"})


def configure(level: str) -> None:
    """Set up structlog and send the standard library's warnings through it; `level` is `info`, `warning`, ..."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _allow_listed,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, _Pipe())),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Bridge()], force=True)


def _allow_listed(_: Any, __: str, record: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {name: value for name, value in record.items() if name in FIELDS or name in _ALWAYS}


class _Pipe:
    """Standard error, written by a thread of its own: a log reader that stalls must not stall decisions."""

    def __init__(self) -> None:
        self._lines: queue.Queue[str] = queue.Queue(maxsize=10_000)
        threading.Thread(target=self._drain, name="log", daemon=True).start()
        atexit.register(self._finish)

    def write(self, text: str) -> None:
        """Queue `text`; what does not fit any more is dropped."""
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(text)

    def flush(self) -> None:
        """Nothing to do: the thread flushes whenever it has caught up."""

    def _finish(self) -> None:
        deadline = time.monotonic() + 1
        while self._lines.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(0.005)

    def _drain(self) -> None:
        while True:
            text = self._lines.get()
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(text)
                if self._lines.empty():
                    sys.stderr.flush()
            self._lines.task_done()


class _Bridge(logging.Handler):
    """Records of libraries: only where they come from, since their messages may quote what a caller sent."""

    def emit(self, record: logging.LogRecord) -> None:
        exception = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        structlog.get_logger().warning("library_warning", component=record.name, error=exception)

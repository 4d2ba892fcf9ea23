"""Many patterns, one pass: a thin, thread-safe use of Hyperscan."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import hyperscan


class Automaton:
    """Byte patterns compiled together. Each reports once, with where its first match ends.

    Patterns are Perl-like, without look-around or back-references; `.` also matches a line end. The time of a scan is
    linear in the data whatever the patterns. Raises `hyperscan.error` for a pattern that can't be compiled.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._database.compile(
            expressions=[pattern.encode() for pattern in patterns],
            ids=list(range(len(patterns))),
            elements=len(patterns),
            flags=hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_DOTALL,
        )
        self._threads = threading.local()

    def scan(self, data: bytes) -> list[tuple[int, int]]:
        """(index of the pattern, byte offset where its match ends) of each pattern that matches."""
        scratch = getattr(self._threads, "scratch", None)
        if scratch is None:
            # Hyperscan refuses a scratch that another thread is using.
            scratch = self._threads.scratch = hyperscan.Scratch(self._database)
        found: list[tuple[int, int]] = []
        self._database.scan(data, match_event_handler=_record, context=found, scratch=scratch)
        return found


def _record(pattern: int, _start: int, end: int, _flags: int, found: object) -> None:
    assert isinstance(found, list)
    found.append((pattern, end))

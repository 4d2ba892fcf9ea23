"""Many patterns in one pass over some bytes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache

import hyperscan

FIRST_MATCH: int = hyperscan.HS_FLAG_SINGLEMATCH
"""Flag: report a pattern once, where its first match ends."""

MOST_MATCHES = 20_000
"""A scan stops after so many matches: each costs a call, and nobody reads that many."""


class Scanner:
    """Patterns compiled together by Hyperscan; made once and used from any thread.

    Patterns match bytes (write UTF-8), without look-around or back-references. A scan is linear in the data. `flags`
    are Hyperscan's, one for each pattern or one for all. Raises `hyperscan.error` for a pattern that can't be compiled.
    """

    def __init__(self, patterns: Sequence[bytes], flags: int | Sequence[int] = FIRST_MATCH) -> None:
        self._database = _database(tuple(patterns), flags if isinstance(flags, int) else tuple(flags))
        self._threads = threading.local()

    def scan(self, data: bytes) -> list[tuple[int, int]]:
        """(index of the pattern, byte offset of the match's end) of every match up to MOST_MATCHES, by rising end."""
        scratch = getattr(self._threads, "scratch", None)
        if scratch is None:
            # Hyperscan refuses a scratch that another thread is using.
            scratch = self._threads.scratch = hyperscan.Scratch(self._database)
        found: list[tuple[int, int]] = []
        with suppress(hyperscan.ScanTerminated):
            self._database.scan(data, match_event_handler=_record, context=found, scratch=scratch)
        return found


@lru_cache(maxsize=32)
def _database(patterns: tuple[bytes, ...], flags: int | tuple[int, ...]) -> hyperscan.Database:
    """Compiled once in a process, however often its configuration is read: it takes tenths of a second."""
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=list(patterns),
        ids=list(range(len(patterns))),
        elements=len(patterns),
        flags=flags if isinstance(flags, int) else list(flags),
    )
    return database


def _record(pattern: int, _start: int, end: int, _flags: int, found: object) -> bool:
    assert isinstance(found, list)
    found.append((pattern, end))
    return len(found) >= MOST_MATCHES

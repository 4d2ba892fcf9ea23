"""Many patterns in one pass."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sidecar.inspection import scanner
from sidecar.inspection.scanner import MOST_MATCHES, Scanner


def test_every_pattern_says_where_it_ends() -> None:
    assert Scanner([b"ab+", b"c"]).scan(b"xabbc c") == [(0, 3), (1, 5)]
    assert Scanner([b"c"], 0).scan(b"c c") == [(0, 1), (0, 3)]


def test_matches_are_bounded() -> None:
    assert len(Scanner([b"a"], 0).scan(b"a" * (2 * MOST_MATCHES))) == MOST_MATCHES


def test_threads_share_one() -> None:
    shared = Scanner([b"needle"], 0)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(shared.scan, [b"hay " * 5000 + b"needle"] * 64))
    assert found == [[(0, 20_006)]] * 64


def test_the_same_patterns_are_compiled_once() -> None:
    first, other = Scanner([b"once only"]), Scanner([b"once only"])
    assert first._database is other._database
    assert scanner._database.cache_info().hits

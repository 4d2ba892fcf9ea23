"""Stretches of a text, from one character to before another."""

from __future__ import annotations

from collections.abc import Iterable

Place = tuple[int, int]


def merged(places: Iterable[Place]) -> list[Place]:
    """Places in the order of their beginnings, those that touch made one."""
    found: list[Place] = []
    for start, end in places:
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found

"""Was a limit ever exceeded? An answer from a history of admissions that were observed from outside."""

from __future__ import annotations

from collections.abc import Iterable

from sidecar.limits.limit import Limit

_NEVER = -(1 << 200)


def excess(limit: Limit, admitted: Iterable[tuple[int, int]]) -> int:
    """Most units by which any interval exceeds burst + rate x time; 0 or less when none does.

    An admission is (when it was asked for, when it was answered), in microseconds: it happened somewhere in between, so
    it certainly lies in every interval that holds both. All intervals from one asking to one answer are looked at, in
    n log n steps.
    """
    events = sorted(admitted)
    if not events:
        return -limit.burst
    ends = sorted((end, index) for index, (_, end) in enumerate(events))
    rank = {index: place for place, (_, index) in enumerate(ends)}
    size = 1 << (len(events) - 1).bit_length()
    total, best = [0] * (2 * size), [_NEVER] * (2 * size)
    origin = ends[0][0]
    for place, (end, _) in enumerate(ends):
        total[size + place] = -limit.ticks * (end - (ends[place - 1][0] if place else origin))
    for node in range(size - 1, 0, -1):
        total[node] = total[2 * node] + total[2 * node + 1]
    worst = _NEVER
    for index in range(len(events) - 1, -1, -1):
        node = size + rank[index]
        total[node] += limit.price
        best[node] = total[node]
        while node > 1:
            node //= 2
            left, right = 2 * node, 2 * node + 1
            total[node] = total[left] + total[right]
            best[node] = max(best[left], total[left] + best[right])
        worst = max(worst, best[1] + limit.ticks * (events[index][0] - origin))
    over = worst - limit.capacity
    return -(-over // limit.price)


def ideal(limit: Limit, asked: Iterable[int]) -> list[int]:
    """Those of the moments of asking (microseconds) that one perfect bucket would have admitted."""
    level, last, admitted = limit.capacity, 0, []
    for at in sorted(asked):
        level = min(limit.capacity, level + (at - last) * limit.ticks) if last else level
        last = at
        if level >= limit.price:
            level -= limit.price
            admitted.append(at)
    return admitted

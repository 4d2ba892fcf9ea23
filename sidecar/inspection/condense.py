"""Prompts of very many short segments, made into fewer and longer ones for inspection."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

from msgspec import structs

from sidecar.inspection.finding import Finding
from sidecar.prompt import Prompt, Role, Segment

MANY = 64
"""Segments from which on a prompt is condensed. Every segment costs every inspector a call."""

_SHORT = 256  # characters
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Condensed:
    """A prompt whose neighbouring short segments of one author are joined line by line.

    What is split over elements of a list is found this way, too. `pieces` says for each segment which ones it is made
    of, as (index in the original, offset of its first character).
    """

    prompt: Prompt
    original: Prompt
    pieces: tuple[tuple[tuple[int, int], ...], ...]

    def restore(self, findings: Iterable[Finding]) -> list[Finding]:
        """The findings with places in the original; one that spans several pieces names the first."""
        return [self._restore(finding) for finding in findings]

    def _restore(self, finding: Finding) -> Finding:
        pieces = self.pieces[finding.segment]
        index, offset = pieces[bisect_right(pieces, finding.start, key=lambda piece: piece[1]) - 1]
        size = len(self.original.segments[index].text)
        start = min(finding.start - offset, size)
        return replace(finding, segment=index, start=start, end=max(start, min(finding.end - offset, size)))


def condense(prompt: Prompt) -> Condensed:
    """Join what can be joined. The operator's text stays as it is: it is compared as a whole."""
    segments: list[Segment] = []
    pieces: list[tuple[tuple[int, int], ...]] = []
    run: list[int] = []
    size = 0
    for index, (segment, following) in enumerate(pairwise((*prompt.segments, None))):
        assert segment is not None
        run.append(index)
        size += len(segment.text) + 1
        if following is not None and _joins(segment, following) and size < _LONGEST:
            continue
        texts = [prompt.segments[one].text for one in run]
        offsets = [0]
        for text in texts:
            offsets.append(offsets[-1] + len(text) + 1)
        first = prompt.segments[run[0]]
        segments.append(first if len(run) == 1 else Segment(first.role, "\n".join(texts), first.path))
        pieces.append(tuple(zip(run, offsets, strict=False)))
        run, size = [], 0
    return Condensed(structs.replace(prompt, segments=tuple(segments)), prompt, tuple(pieces))


def _joins(one: Segment, other: Segment) -> bool:
    return one.role is other.role and one.role is not Role.SYSTEM and max(len(one.text), len(other.text)) <= _SHORT

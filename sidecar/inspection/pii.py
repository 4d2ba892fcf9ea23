"""Personal data: cards, bank accounts, national numbers, addresses, telephone numbers."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Literal

from pydantic import Field, field_validator

from sidecar.inspection.finding import Action, Finding
from sidecar.inspection.inspector import InspectorSettings
from sidecar.inspection.patterns import characters
from sidecar.inspection.pii_entities import ENTITIES, Entity, Shape, shapes
from sidecar.inspection.scanner import MOST_MATCHES, Scanner
from sidecar.prompt import Prompt, Role

_BEFORE, _AFTER = 60, 30  # bytes within which a telling word is near
_MOST_FINDINGS = 200
_MOST_CANDIDATES = 300
_EDGE = "[^0-9A-Za-z]"

_Place = tuple[int, int, float, int]
"""(start, end, score, index of the shape), in bytes."""


class PiiSettings(InspectorSettings):
    """Which personal data matters, and what it leads to."""

    kind: Literal["pii"]
    action: Action = Field(default=Action.FLAG, description="What a finding leads to: allow, flag or deny")
    entities: dict[Entity, Action | None] = Field(
        default={entity: None for entity in ENTITIES if entity != "ip_address"},
        description="What is looked for, as a list, or with an action for each: {card: deny, email: allow}",
    )
    min_score: float = Field(default=0.5, gt=0, le=1, description="Findings less sure than this are dropped")
    phone_regions: tuple[str, ...] = Field(
        default=(), description="ISO 3166 codes of countries whose telephone numbers are known without context"
    )
    roles: tuple[Role, ...] = Field(
        default=(Role.USER, Role.ASSISTANT, Role.TOOL), description="Whose text is searched"
    )

    @field_validator("entities", mode="before")
    @classmethod
    def _accept_list(cls, value: object) -> object:
        return dict.fromkeys(value) if isinstance(value, list | tuple) else value


class PiiInspector:
    """Finds shapes and telling words in one pass, then checks each shape where it stands."""

    def __init__(self, settings: PiiSettings) -> None:
        self._settings = settings
        self._roles = frozenset(settings.roles)
        self._shapes = [shape for shape in shapes(settings.phone_regions) if shape.entity in settings.entities]
        self._actions = [settings.entities[shape.entity] or settings.action for shape in self._shapes]
        self._locators = [re.compile(_locator(shape)) for shape in self._shapes]
        groups = sorted({shape.words for shape in self._shapes if shape.words})
        self._groups = [groups.index(shape.words) if shape.words else -1 for shape in self._shapes]
        triggers = list(dict.fromkeys(_trigger(shape) for shape in self._shapes))
        self._owners = [self._owners_of(trigger) for trigger in triggers]
        words = [f"(?i){_EDGE}(?:{'|'.join(group)}){_EDGE}" for group in groups]
        self._scanner = Scanner([pattern.encode() for pattern in triggers + words], 0)

    def _owners_of(self, trigger: str) -> dict[int, list[int]]:
        """The shapes that end so: under -1 those that need no word, the others under their group of words."""
        owners: dict[int, list[int]] = {}
        for index, shape in enumerate(self._shapes):
            if _trigger(shape) == trigger:
                owners.setdefault(self._groups[index] if shape.needs_word else -1, []).append(index)
        return owners

    def inspect(self, prompt: Prompt) -> Iterator[Finding]:
        """One finding for each place, by the surest check when several agree; 200 places a segment at most.

        A segment with more than 300 candidates is `pii.too_many` as well, and those beyond are not checked.
        """
        for index, segment in enumerate(prompt.segments):
            if segment.role in self._roles:
                # A space in front makes offsets those of the character before, and gives the text edges.
                data = b" %b " % segment.text.encode("utf-8", "surrogatepass")
                ends, words = self._scan(data)
                if len(ends) > _MOST_CANDIDATES or len(ends) + sum(map(len, words.values())) >= MOST_MATCHES:
                    # Nobody writes that many numbers by hand: say so, and don't spend the time on the rest.
                    yield self._flood(index, len(segment.text))
                    del ends[_MOST_CANDIDATES:]
                if ends:
                    yield from islice(self._report(data, self._places(data, ends, words), index), _MOST_FINDINGS)

    def _scan(self, data: bytes) -> tuple[list[tuple[int, int]], dict[int, list[int]]]:
        """(trigger, end) of what looks like something, and the ends of telling words by group."""
        ends: list[tuple[int, int]] = []
        words: dict[int, list[int]] = {}
        count = len(self._owners)
        for pattern, end in self._scanner.scan(data):
            if pattern < count:
                ends.append((pattern, end - 1))
            else:
                words.setdefault(pattern - count, []).append(end)
        return ends, words

    def _places(self, data: bytes, ends: list[tuple[int, int]], words: dict[int, list[int]]) -> list[_Place]:
        """Every place that stands a check."""
        told = {-1, *words}
        return [
            place
            for pattern, end in ends
            for group in self._owners[pattern].keys() & told
            for shape in self._owners[pattern][group]
            if (place := self._check(data, end, shape, words)) is not None
        ]

    def _check(self, data: bytes, end: int, index: int, words: dict[int, list[int]]) -> _Place | None:
        shape = self._shapes[index]
        group = self._groups[index]
        near = group in words and _is_near(words[group], end - shape.reach, end)
        if shape.needs_word and not near:
            return None
        begin = max(end - shape.reach, 0)
        found = self._locators[index].search(data[begin:end])
        if found is None:
            return None
        score = shape.check(found[0].decode("utf-8", "replace"), near)
        if score < self._settings.min_score:
            return None
        return begin + found.start(), end, score, index

    def _report(self, data: bytes, places: list[_Place], segment: int) -> Iterator[Finding]:
        for start, end, score, index in _without_overlaps(places):
            shape = self._shapes[index]
            yield Finding(
                rule=f"pii.{shape.id}",
                category="personal_data",
                severity=shape.severity,
                score=score,
                action=self._actions[index],
                segment=segment,
                start=characters(data, start) - 1,
                end=characters(data, end) - 1,
            )

    def _flood(self, segment: int, size: int) -> Finding:
        return Finding(
            rule="pii.too_many",
            category="personal_data",
            severity="medium",
            score=0.5,
            action=self._settings.action,
            segment=segment,
            end=size,
        )


def _trigger(shape: Shape) -> str:
    if shape.trigger:
        return f"{shape.trigger}{_EDGE}"
    return f"{_EDGE}{shape.pattern}{_EDGE}"


def _locator(shape: Shape) -> bytes:
    """Finds the whole match in the bytes that lead up to its end."""
    return rf"(?<![0-9A-Za-z])(?:{shape.pattern})\Z".encode()


def _is_near(ends: list[int], start: int, end: int) -> bool:
    index = bisect_left(ends, start - _BEFORE)
    return index < len(ends) and ends[index] <= end + _AFTER


def _without_overlaps(places: Iterable[_Place]) -> Iterator[_Place]:
    """Of places that overlap, the surest, then the longest."""
    best: _Place | None = None
    for place in sorted(places):
        if best is None or place[0] >= best[1]:
            if best is not None:
                yield best
            best = place
        elif (place[2], place[1] - place[0]) > (best[2], best[1] - best[0]):
            best = place
    if best is not None:
        yield best

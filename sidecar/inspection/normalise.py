"""What a text says once its disguises are off."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import hyperscan

from sidecar.inspection.characters import Edits, clean
from sidecar.inspection.decoders import RAW_READINGS, RAW_REPLACERS, READINGS, REPLACERS, Reading, Replacer
from sidecar.inspection.places import Place, merged
from sidecar.inspection.scanner import Scanner

_DECODERS: tuple[Replacer | Reading, ...] = (*REPLACERS, *READINGS)
_FINDERS = tuple((one.name, one.find, bool(one.triggers)) for one in _DECODERS if one.find is not None)


@dataclass(frozen=True, slots=True)
class View:
    """One reading of a text.

    `kind` names how it was reached: `plain` for the cleaned text itself, otherwise the disguises that were taken off,
    outermost first (`base64+rot13`). `start` and `end` are the characters of the original text that it was read from.
    """

    text: str
    kind: str
    start: int
    end: int
    edits: Edits | None = None  # None: a place in the view has no place of its own in the original
    parent: View | None = None
    superseded: bool = False  # another view says the same without a disguise that this one still wears

    def locate(self, start: int, end: int) -> tuple[int, int]:
        """Where in the original text the characters `start` to `end` of this view came from."""
        if self.edits is None:
            return self.start, self.end
        low, high = _back(self.edits, start, first=True), _back(self.edits, end, first=False)
        return self.parent.locate(low, high) if self.parent else (low, high)


def _back(edits: Edits, offset: int, *, first: bool) -> int:
    """The old offset of a new one; inside a rewritten place its beginning or its end."""
    index = bisect_right(edits, offset, key=lambda edit: edit[0]) - 1
    if index < 0:
        return offset
    start, end, old_start, old_end = edits[index]
    if offset < end:
        return old_start if first else old_end
    if offset == start and first and end > start:
        return old_start
    return old_end + offset - end


_DEPTH = 3  # disguises inside disguises
_VIEWS = 16
_SPARE = 1 << 16  # characters that all views but the first may hold together
_SHORT = 1 << 10  # characters of a text that is always taken as a whole
_BLOCK = 1 << 9  # of a longer one, a disguise is taken off only in such blocks as show its triggers,
_AROUND = 256  # with so much before and behind them
_LONG = 1 << 18  # characters of a text from which blocks are larger, because each costs a call
_REACH = 96  # characters beyond the block's ends in which triggers may lie
_MOST = 1 << 14  # of a text in which one disguise is taken off
_Places = list[Place]
_NOTHING: frozenset[str] = frozenset()


class _Triggers:
    """Which of some decoders a text calls for."""

    def __init__(self, decoders: Iterable[Replacer] | Iterable[Reading]) -> None:
        pairs = [(trigger, one.name) for one in decoders for trigger in one.triggers]
        self._names = [name for _, name in pairs]
        self._scanner = Scanner(
            [trigger.encode() for trigger, _ in pairs], hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_DOTALL
        )

    def find(self, data: bytes) -> set[str]:
        return {self._names[index] for index, _ in self._scanner.scan(data)}


@cache
def triggers() -> tuple[_Triggers, _Triggers]:
    """What calls for replacers, and for readings. Compiled at the first call, in about half a second.

    Apart, because together Hyperscan takes twice the time to compile them, and a hundred times as long over some texts.
    """
    return _Triggers(REPLACERS), _Triggers(READINGS)


def normalise(text: str) -> tuple[View, ...]:
    """Every reading of a text that is worth inspecting, the cleaned text first.

    The first view is always there, also for an empty text. In the others what was encoded is decoded where it stood,
    or all of the text is read another way; both up to three deep. In a text beyond 1024 characters a disguise is taken
    off around where it appears, from 16384 characters at most. Time is linear in the text; decoded text is bounded.
    """
    cleaned, edits = clean(text)
    views = _Views(View(cleaned, "plain", 0, len(text), edits))
    if not text.isascii():
        whole = View(text, "plain", 0, len(text), ())
        hidden = _replace(whole, RAW_REPLACERS)
        if hidden is not whole:
            views.add(_cleaned(hidden))
            views.superseded.add(0)
        for reading in RAW_READINGS:
            if (read := reading.read(text)) is not None:
                views.add(_cleaned(View(read, reading.name, 0, len(text))))
    at = 0
    while at < len(views.found):
        _unmask(at, views)
        at += 1
    return tuple(
        replace(view, superseded=True) if index in views.superseded else view for index, view in enumerate(views.found)
    )


class _Views:
    """The views found so far, each text once, within the bounds."""

    def __init__(self, first: View) -> None:
        self.found = [first]
        self.superseded: set[int] = set()
        self._texts = {first.text}
        self._spare = _SPARE
        self._depths = [0]
        self._done = [_NOTHING]

    @property
    def full(self) -> bool:
        """Whether nothing more fits."""
        return len(self.found) >= _VIEWS or self._spare <= 0

    def depth(self, index: int) -> int:
        """How many disguises were taken off to get that view."""
        return self._depths[index]

    def done(self, index: int) -> frozenset[str]:
        """Readings that need not be tried on that view."""
        return self._done[index]

    def add(self, view: View, depth: int = 1, done: frozenset[str] = _NOTHING) -> bool:
        """Whether there was room for it."""
        if view.text not in self._texts and len(self.found) < _VIEWS and len(view.text) <= self._spare:
            self.found.append(view)
            self._texts.add(view.text)
            self._spare -= len(view.text)
            self._depths.append(depth)
            self._done.append(done)
            return True
        return False


def _unmask(index: int, views: _Views) -> None:
    """Add what the text becomes without the disguises that its triggers speak of."""
    view, depth = views.found[index], views.depth(index) + 1
    if depth > _DEPTH:
        return
    places = _triggered(view.text)
    short = len(view.text) <= _SHORT
    superseded = False
    replacers = [one for one in REPLACERS if one.name in places]
    for together in [replacers] if short else [[one] for one in replacers]:
        start = view if short else _excerpt(view, places[together[0].name])
        replaced = _replace(start, together)
        superseded |= replaced is not start and views.add(_cleaned(replaced), depth)
    readings = [one for one in READINGS if one.name in places and one.name not in views.done(index)]
    local = [one for one in readings if one.local]
    done = views.done(index).union(one.name for one in local)
    for reading in readings:
        start = view if short else _excerpt(view, places[reading.name])
        added = _read(start, [reading], views, depth, done if reading.local else frozenset((reading.name,)))
        superseded |= added and reading.certain
    if len(local) > 1 and (shared := _shared([places[one.name] for one in local])):
        _read(view if short else _excerpt(view, shared), local, views, depth, done)
    if superseded and short:
        views.superseded.add(index)


def _read(view: View, readings: Iterable[Reading], views: _Views, depth: int, done: frozenset[str]) -> bool:
    """Add the text read in these ways, one after the other; whether there is anything new."""
    if views.full:
        return False
    text, kind = view.text, view.kind
    for reading in readings:
        read = reading.read(text)
        if read is not None:
            text, kind = read, _kind(kind, reading.name)
    return text is not view.text and views.add(View(text, kind, view.start, view.end), depth, done)


def _triggered(text: str) -> dict[str, _Places]:
    """By decoder, from where to where in the text it is worth using."""
    whole = [(0, len(text))]
    short = len(text) <= _SHORT
    places: dict[str, _Places] = dict.fromkeys(_called_for(text), whole) if short else _called_for_in_blocks(text)
    for name, find, has_triggers in _FINDERS:
        if has_triggers and places.pop(name, None) is None:
            continue
        if short:
            if next(find(text), None) is not None:
                places[name] = whole
        elif found := [(max(0, at - _AROUND), min(at + _BLOCK, len(text))) for at in find(text)]:
            places[name] = found
    return places


def _called_for_in_blocks(text: str) -> dict[str, _Places]:
    places: dict[str, _Places] = {}
    block = _BLOCK if len(text) <= _LONG else _BLOCK * 8
    for start in range(0, len(text), block):
        for name in _called_for(text[max(0, start - _REACH) : start + block + _REACH]):
            place = max(0, start - _AROUND), min(start + block + _AROUND, len(text))
            places.setdefault(name, []).append(place)
    return places


def _called_for(text: str) -> set[str]:
    for_replacers, for_readings = triggers()
    data = text.lower().encode("utf-8", "replace")
    return for_replacers.find(data) | for_readings.find(data)


def _shared(several: Iterable[_Places]) -> _Places:
    """The places that overlap with one of another list."""
    ordered = sorted((*place, number) for number, places in enumerate(several) for place in places)
    shared: _Places = []
    for (low, high, one), (start, stop, other) in pairwise(ordered):
        if start < high and one != other:
            shared += (low, high), (start, stop)
    return shared


def _excerpt(view: View, places: _Places) -> View:
    """The places of a long text, line by line."""
    apart = merged(sorted(places))
    pieces: list[str] = []
    edits: list[tuple[int, int, int, int]] = []
    size = last = 0
    for low, high in apart:
        if size >= _MOST:
            break
        piece = view.text[low : min(high, low + _MOST - size)]
        edits.append((max(0, size - 1), size, last, low))
        pieces.append(piece)
        size += len(piece) + 1
        last = low + len(piece)
    start, _ = view.locate(*apart[0])
    _, stop = view.locate(max(0, last - 1), last)
    return View("\n".join(pieces), view.kind, start, stop, tuple(edits), view)


def _replace(view: View, replacers: Iterable[Replacer]) -> View:
    """One decoder after the other, each where it finds something."""
    for replacer in replacers:
        rewritten = replacer.decode(view.text)
        if rewritten is not None:
            text, edits = rewritten
            view = View(text, _kind(view.kind, replacer.name), view.start, view.end, edits, view)
    return view


def _cleaned(view: View) -> View:
    """What was decoded may be disguised in turn."""
    text, edits = clean(view.text)
    if text == view.text:
        return view
    return View(text, view.kind, view.start, view.end, None if view.edits is None else edits, view)


def _kind(kind: str, name: str) -> str:
    return name if kind == "plain" else f"{kind}+{name}"

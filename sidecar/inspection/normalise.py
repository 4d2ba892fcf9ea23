"""What a text says once its disguises are off."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

import hyperscan

from sidecar.inspection.characters import Edits, clean
from sidecar.inspection.decoders import RAW_READINGS, RAW_REPLACERS, READINGS, REPLACERS, Reading, Replacer
from sidecar.inspection.scanner import Scanner


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
_WINDOW = 1 << 13  # of a longer text, each disguise is taken off so much, from a little before where it begins
_BEFORE = 512


class _Triggers:
    """Which of some decoders a text calls for, and the byte where the first trigger of each ends."""

    def __init__(self, decoders: Iterable[Replacer] | Iterable[Reading]) -> None:
        pairs = [(trigger, one.name) for one in decoders for trigger in one.triggers]
        self._names = [name for _, name in pairs]
        self._scanner = Scanner(
            [trigger.encode() for trigger, _ in pairs], hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_DOTALL
        )

    def find(self, data: bytes) -> dict[str, int]:
        found: dict[str, int] = {}
        for index, end in self._scanner.scan(data):
            name = self._names[index]
            found[name] = min(end, found.get(name, end))
        return found


@cache
def triggers() -> tuple[_Triggers, _Triggers]:
    """What calls for replacers, and for readings. Compiled at the first call, in about half a second.

    Apart, because together Hyperscan takes twice the time to compile them, and a hundred times as long over some texts.
    """
    return _Triggers(REPLACERS), _Triggers(READINGS)


def normalise(text: str) -> tuple[View, ...]:
    """Every reading of a text that is worth inspecting, the cleaned text first.

    The first view is always there, also for an empty text. In the others what was encoded is decoded where it stood,
    or all of the text is read another way; both up to three deep. Of a text beyond 8192 characters, each disguise is
    taken off for so many characters from where it first appears. Time is linear in the text; decoded text is bounded.
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
    depths = {0: 0}
    at = 0
    while at < len(views.found) and at < _VIEWS:
        if depths.get(at, 1) < _DEPTH:
            known = len(views.found)
            if _unmask(views.found[at], views):
                views.superseded.add(at)
            depths.update((new, depths.get(at, 1) + 1) for new in range(known, len(views.found)))
        at += 1
    return tuple(
        replace(view, superseded=True) if index in views.superseded else view for index, view in enumerate(views.found)
    )


class _Views:
    """The views found so far, each text once, within the bounds."""

    def __init__(self, first: View) -> None:
        self.found = [first]
        self._texts = {first.text}
        self._spare = _SPARE
        self.superseded: set[int] = set()

    @property
    def full(self) -> bool:
        """Whether nothing more fits."""
        return len(self.found) >= _VIEWS or self._spare <= 0

    def add(self, view: View) -> bool:
        """Whether there was room for it."""
        if view.text not in self._texts and len(self.found) < _VIEWS and len(view.text) <= self._spare:
            self.found.append(view)
            self._texts.add(view.text)
            self._spare -= len(view.text)
            return True
        return False


def _unmask(view: View, views: _Views) -> bool:
    """Add what the text becomes without the disguises that its triggers speak of; whether one takes its place."""
    data = view.text.lower().encode("utf-8", "replace")
    for_replacers, for_readings = triggers()
    triggered = for_replacers.find(data) | for_readings.find(data)
    if not triggered:
        return False
    replacers = [one for one in REPLACERS if one.name in triggered]
    readings = [one for one in READINGS if one.name in triggered]
    if len(view.text) <= _WINDOW:
        return _take_off(view, replacers, readings, views)
    for replacer in replacers:
        _take_off(_window(view, data, triggered[replacer.name]), [replacer], [], views)
    for reading in readings:
        _take_off(_window(view, data, triggered[reading.name]), [], [reading], views)
    return False


def _take_off(view: View, replacers: Iterable[Replacer], readings: Iterable[Reading], views: _Views) -> bool:
    replaced = _replace(view, replacers)
    superseded = replaced is not view and views.add(_cleaned(replaced))
    for reading in readings:
        if views.full:
            break
        read = reading.read(view.text)
        if read is not None:
            added = views.add(View(read, _kind(view, reading.name), view.start, view.end))
            superseded = superseded or (added and reading.certain)
    return superseded


def _window(view: View, data: bytes, end: int) -> View:
    """The part of a long text that begins a little before the byte `end`."""
    first = max(0, (end if len(data) == len(view.text) else len(data[:end].decode("utf-8", "ignore"))) - _BEFORE)
    text = view.text[first : first + _WINDOW]
    start, stop = view.locate(first, first + len(text))
    return View(text, view.kind, start, stop, ((0, 0, 0, first),), view)


def _replace(view: View, replacers: Iterable[Replacer]) -> View:
    """One decoder after the other, each where it finds something."""
    for replacer in replacers:
        rewritten = replacer.decode(view.text)
        if rewritten is not None:
            text, edits = rewritten
            view = View(text, _kind(view, replacer.name), view.start, view.end, edits, view)
    return view


def _cleaned(view: View) -> View:
    """What was decoded may be disguised in turn."""
    text, edits = clean(view.text)
    if text == view.text:
        return view
    return View(text, view.kind, view.start, view.end, None if view.edits is None else edits, view)


def _kind(view: View, name: str) -> str:
    return name if view.kind == "plain" else f"{view.kind}+{name}"

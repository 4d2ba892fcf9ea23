"""What a text says once its disguises are off."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from sidecar.inspection.characters import Edits, clean


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
    if offset == start and first:
        return old_start
    return old_end + offset - end


def normalise(text: str) -> tuple[View, ...]:
    """Every reading of a text that is worth inspecting, the cleaned text first.

    The first view is always there, also for an empty text. Time is linear in the text, and so is the size of all
    views together.
    """
    cleaned, edits = clean(text)
    return (View(cleaned, "plain", 0, len(text), edits),)

"""A small text grammar: `{a|b|}` is a choice, `{name}` a slot (also within a choice), `{{` and `}}` are braces."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

Slots = Mapping[str, Sequence[str]]

_DEPTH = 12


def expand(template: str, slots: Slots, rng: random.Random, depth: int = 0) -> str:
    """One random text of the template. An unknown slot is a KeyError: families are data, and data has typing errors."""
    if depth > _DEPTH:
        raise RecursionError(f"slots refer to each other in a circle: {template!r}")
    pieces: list[str] = []
    position = 0
    while position < len(template):
        character = template[position]
        if character in "{}" and template[position + 1 : position + 2] == character:
            pieces.append(character)
            position += 2
        elif character == "{":
            end = _closing(template, position)
            pieces.append(_choose(template[position + 1 : end], slots, rng, depth + 1))
            position = end + 1
        else:
            following = min(
                (found for found in (template.find(brace, position) for brace in "{}") if found > position),
                default=len(template),
            )
            following = position + 1 if character == "}" else following
            pieces.append(template[position:following])
            position = following
    return "".join(pieces)


def _choose(content: str, slots: Slots, rng: random.Random, depth: int) -> str:
    chosen = rng.choice(_alternatives(content))
    if chosen in slots:
        return expand(rng.choice(slots[chosen]), slots, rng, depth)
    if chosen == content:
        raise KeyError(f"no slot {content!r}")
    return expand(chosen, slots, rng, depth)


def _alternatives(content: str) -> list[str]:
    """Split at the bars that stand outside inner braces."""
    parts, level, begin = [], 0, 0
    for index, character in enumerate(content):
        level += (character == "{") - (character == "}")
        if character == "|" and not level:
            parts.append(content[begin:index])
            begin = index + 1
    return [*parts, content[begin:]]


def _closing(template: str, start: int) -> int:
    level = 0
    for index in range(start, len(template)):
        level += (template[index] == "{") - (template[index] == "}")
        if not level:
            return index
    raise ValueError(f"unclosed brace in {template!r}")

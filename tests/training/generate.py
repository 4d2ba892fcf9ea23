"""Generated training texts: every family of attack with benign twins, in many languages, set into many surroundings."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from sidecar.inspection.evaluation import Case
from tests.training.grammar import expand

FAMILIES: Final = Path(__file__).parent / "families"
_SEED: Final = 7
_PER_FAMILY: Final = {"en": 600}
_PER_FAMILY_ELSEWHERE: Final = 160
_SEPARATORS: Final = (
    " ",
    "\n",
    "\n\n",
    ". ",
    " ... ",
    "\n---\n",
    " | ",
    "? ",
    "\n\n\n",
    " ## ",
    '" ',
    "] ",
    '"""\n',
    "; ",
)


@dataclass(frozen=True, slots=True)
class _Grammar:
    language: str
    slots: dict[str, list[str]]
    attack: dict[str, list[str]]
    benign: dict[str, list[str]]


def generate() -> Iterator[Case]:
    """The same examples on every run. `source` is `generated/<language>/<attack|benign>`."""
    grammars = [_load(path) for path in sorted(FAMILIES.glob("*.yaml"))]
    rng = random.Random(_SEED)
    carriers = {grammar.language: _carriers(grammar, rng) for grammar in grammars if grammar.benign}
    for grammar in grammars:
        count = _PER_FAMILY.get(grammar.language, _PER_FAMILY_ELSEWHERE)
        around = carriers[grammar.language]
        for attack, families in ((True, grammar.attack), (False, grammar.benign)):
            source = f"generated/{grammar.language}/{'attack' if attack else 'benign'}"
            for family, templates in families.items():
                for text in _texts(templates, grammar.slots, count, around, rng):
                    yield Case(text, attack, source, family, grammar.language)


def _load(path: Path) -> _Grammar:
    raw: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return _Grammar(raw["language"], raw["slots"], raw.get("attack", {}), raw.get("benign", {}))


def _carriers(grammar: _Grammar, rng: random.Random) -> list[str]:
    templates = [template for family in grammar.benign.values() for template in family]
    return [expand(rng.choice(templates), grammar.slots, rng) for _ in range(1500)]


def _texts(
    templates: list[str], slots: dict[str, list[str]], count: int, around: list[str], rng: random.Random
) -> Iterator[str]:
    """Each text alone, or behind, before or between other benign texts: attacks and benign texts alike."""
    seen: set[str] = set()
    for _ in range(count):
        text = expand(rng.choice(templates), slots, rng)
        place = rng.random()
        if place > 0.6:
            text = rng.choice(around) + rng.choice(_SEPARATORS) + text
        if place > 0.85 or place < 0.1:
            text = text + rng.choice(_SEPARATORS) + rng.choice(around)
        text = _misspell(text, rng) if rng.random() < 0.06 else text
        if text not in seen:
            seen.add(text)
            yield text


def _misspell(text: str, rng: random.Random) -> str:
    """Two letters lost, doubled or swapped."""
    for _ in range(2):
        if len(text) < 8:
            break
        at = rng.randrange(1, len(text) - 2)
        kind = rng.randrange(3)
        middle = ("", text[at] * 2, text[at + 1] + text[at])[kind]
        text = text[:at] + middle + text[at + (2 if kind == 2 else 1) :]
    return text

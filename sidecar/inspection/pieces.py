"""Pieces of a pattern that every match of it holds, so that most patterns need not be tried on most texts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

_QUANTIFIER = re.compile(r"(?:[*+?]|\{(\d+)(,?)(\d*)\})\??")
_LITERAL = re.compile(r"[^\\\[\](){}|.^$*+?]+(?![*+?{])")
_FEW = re.compile(r"\[[a-z0-9 '_-]{1,6}\]\Z")
_RANGE = re.compile(r"\w-\w")
_NO_CHARACTER: Final = frozenset("wWsSdDBAzx")
_ANCHORS: Final = frozenset("bBAz")
_MANY: Final = 1 << 16
_EDGE: Final = r"\b"
_SEPARATOR: Final = "[^a-z0-9]"
_READINGS: Final = 60


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a pattern without gaps.

    `least` is the fewest bytes that it matches. `before` and `after` match what the pattern has on either side of it
    where that ends a word; nothing otherwise. `readings` are some of what it matches, or how that begins.
    """

    text: str
    least: int
    before: str = ""
    after: str = ""
    readings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Atom:
    """One item of a pattern, with its quantifier. `plain`: made of characters alone, so that it can be searched as is.

    `least` is the fewest bytes that it matches. Of a group, `choices` are its alternatives.
    """

    text: str
    plain: bool
    least: int
    required: bool
    choices: tuple[tuple[_Atom, ...], ...] = ()

    def readings(self) -> list[str]:
        """What a plain atom matches, roughly; a word's edge is a space."""
        if self.choices:
            read = [reading for choice in self.choices for reading in _read(choice)]
        elif self.text.startswith("["):
            read = list(self.text[1 : self.text.index("]")])
        elif self.text.startswith("\\"):
            read = [" " if self.text[1].isalnum() else self.text[1]]
        else:
            read = [self.text.rstrip("?")]
        return read if self.required else ["", *read]

    @property
    def border(self) -> str:
        """What a neighbour may count on: a character that is no letter or digit, or nothing."""
        return _SEPARATOR if self.required and self.text.startswith(_SEPARATOR) else ""


def pieces(pattern: str) -> list[Piece]:
    """What every text that `pattern` matches has in it, in this order, one behind the other; perhaps nothing.

    Takes what RE2 takes, less flags and named groups. A gap is a class of many characters, a repetition, or an
    alternative of such: where it stands, one piece ends and the next begins. Raises ValueError for an open group.
    """
    choices, end = _alternatives(pattern, 0)
    if end != len(pattern):
        raise ValueError(f"unbalanced parenthesis at {end}")
    return _required(choices)


def _alternatives(text: str, at: int) -> tuple[tuple[tuple[_Atom, ...], ...], int]:
    choices: list[tuple[_Atom, ...]] = []
    atoms: list[_Atom] = []
    while at < len(text) and text[at] != ")":
        if text[at] == "|":
            choices.append(tuple(atoms))
            atoms = []
            at += 1
        else:
            atom, at = _atom(text, at)
            atoms.append(atom)
    return (*choices, tuple(atoms)), at


def _atom(text: str, begin: int) -> tuple[_Atom, int]:
    choices: tuple[tuple[_Atom, ...], ...] = ()
    match text[begin]:
        case "(":
            choices, at = _alternatives(text, begin + (3 if text.startswith("(?:", begin) else 1))
            if at == len(text):
                raise ValueError(f"open group at {begin}")
            plain = all(atom.plain and atom.text != _EDGE for choice in choices for atom in choice)
            least = min(sum(atom.least for atom in choice) for choice in choices)
            at += 1
        case "[":
            at = _class_end(text, begin)
            plain, least = bool(_FEW.match(text[begin:at])) and not _RANGE.search(text[begin:at]), 1
        case "\\":
            escaped = text[begin + 1]
            at = begin + (4 if escaped == "x" else 2)
            plain, least = escaped not in _NO_CHARACTER, int(escaped not in _ANCHORS)
        case "." | "^" | "$":
            at, plain, least = begin + 1, False, 0
        case _:
            literal = _LITERAL.match(text, begin)
            characters = literal[0] if literal else text[begin]
            at, plain, least = begin + len(characters), True, len(characters.encode())
    low, high, at = _quantifier(text, at)
    return _Atom(text[begin:at], plain and high <= 1, least * low, low > 0, choices), at


def _class_end(text: str, at: int) -> int:
    at += 2 if text.startswith("[^", at) else 1
    at += text.startswith("]", at)
    while text[at] != "]":
        at += 2 if text[at] == "\\" else 1
    return at + 1


def _quantifier(text: str, at: int) -> tuple[int, int, int]:
    """Fewest and most repetitions, and where the quantifier ends."""
    found = _QUANTIFIER.match(text, at)
    if found is None:
        return 1, 1, at
    if found[1] is None:
        low, high = {"*": (0, _MANY), "+": (1, _MANY), "?": (0, 1)}[found[0][0]]
    else:
        low = int(found[1])
        high = int(found[3]) if found[3] else _MANY if found[2] else low
    return low, high, found.end()


def _required(choices: Sequence[tuple[_Atom, ...]]) -> list[Piece]:
    if len(choices) == 1:
        return _pieces(choices[0])
    best = [max(_pieces(choice), key=lambda piece: piece.least, default=None) for choice in choices]
    found = [piece for piece in best if piece is not None]
    if len(found) < len(choices):
        return []
    text = "|".join(f"{piece.before}{piece.text}{piece.after}" for piece in found)
    readings = tuple(reading for piece in found for reading in piece.readings)
    return [Piece(f"(?:{text})", min(piece.least for piece in found), readings=readings)]


def _pieces(atoms: Sequence[_Atom]) -> list[Piece]:
    found: list[Piece] = []
    run: list[_Atom] = []
    before = ""
    for atom in (*_flat(atoms), None):
        if atom is not None and atom.plain:
            run.append(atom)
            continue
        border = atom.border if atom is not None else ""
        least = sum(one.least for one in run)
        if least > 1:
            text = "".join(one.text for one in run)
            found.append(Piece(text.removesuffix(_EDGE), least, before, border, tuple(_read(run))))
        run, before = [], border
        if atom is not None and atom.required and atom.choices:
            found += _required(atom.choices)
    return found


def _read(run: Sequence[_Atom]) -> list[str]:
    """What the atoms match, one behind the other, as far as that stays few."""
    readings = [""]
    for atom in run:
        choices = atom.readings()
        if len(readings) * len(choices) > _READINGS:
            break
        readings = [reading + choice for reading in readings for choice in choices]
    return readings


def _flat(atoms: Sequence[_Atom]) -> Iterator[_Atom]:
    """The sequence without groups that only group."""
    for atom in atoms:
        if len(atom.choices) == 1 and atom.text.endswith(")"):
            yield from _flat(atom.choices[0])
        else:
            yield atom

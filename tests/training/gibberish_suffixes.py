"""Token soup: suffixes as an optimiser over a model's tokens would leave them, made of pieces of public texts.

Each kind draws its pieces in another way, so that a model can be judged on kinds that it never saw.
"""

from __future__ import annotations

import math
import random
import re
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

_LONGEST: Final = 8  # letters of a cut piece
_CUTS: Final = 14_000
_WORDS: Final = 9_000
_SIGNS: Final = 1_500
_FOREIGN: Final = 3_000
_SYLLABLES: Final = 4_000
_TOKEN: Final = re.compile(r" ?(?:[A-Z]?[a-z]+|[A-Z]+|[0-9]{1,3}|[^\sA-Za-z0-9]+)| +|\n+")


@dataclass(frozen=True, slots=True)
class Suffix:
    """One suffix and the kind that it is of."""

    text: str
    kind: str


class Pieces:
    """A vocabulary like a tokeniser's: whole words, heads, tails and middles of words, signs, by frequency."""

    def __init__(self, texts: Sequence[str], code: Sequence[str]) -> None:
        words = Counter(word for text in (*texts, *code) for word in re.findall(r" ?[A-Za-z]+", text))
        camel = Counter(part for text in code for part in re.findall(r"[A-Z][a-z]{2,}|[a-z]{3,}(?=[A-Z])", text))
        cuts: Counter[str] = Counter()
        for word, count in words.items():
            weight = round(1 + math.log(count))
            bare = word.strip()
            for size in range(1, min(_LONGEST, len(bare))):
                cuts[word[: len(word) - len(bare) + size]] += weight
                cuts[bare[-size:]] += weight
                if size < 5:
                    at = len(bare) // 2
                    cuts[bare[at : at + size]] += weight
        signs = Counter(sign for text in code for sign in re.findall(r" ?[^\sA-Za-z0-9\u0080-\U0010ffff]{1,5}", text))
        foreign = Counter(
            part for text in texts for word in re.findall(r" ?[^\W\d_a-zA-Z]+", text) for part in _parts(word)
        )
        self.words = _Drawer(words.most_common(_WORDS))
        self.cuts = _Drawer(cuts.most_common(_CUTS))
        self.camel = _Drawer(camel.most_common(_SYLLABLES))
        self.signs = _Drawer(signs.most_common(_SIGNS))
        self.foreign = _Drawer(foreign.most_common(_FOREIGN))
        self.pairs = Counter(text[at : at + 2] for text in texts for at in range(0, len(text) - 1, 3))

    def any(self, rng: random.Random, flat: float) -> str:
        """One piece, words and cuts in a tokeniser's proportions; `flat` is the share drawn whatever its frequency."""
        chance = rng.random()
        drawer = (
            self.words if chance < 0.42 else self.cuts if chance < 0.72 else self.camel if chance < 0.82 else self.signs
        )
        return drawer.draw(rng, flat=rng.random() < flat)


class _Drawer:
    def __init__(self, counts: list[tuple[str, int]]) -> None:
        self._items = [item for item, _ in counts]
        self._sums = list(accumulate(count**0.6 for _, count in counts))

    def draw(self, rng: random.Random, *, flat: bool = True) -> str:
        if not self._items:
            return " "
        return rng.choice(self._items) if flat else self._items[bisect(self._sums, rng.random() * self._sums[-1])]


def _parts(word: str) -> Iterator[str]:
    length = 1 if word.strip() > "\u2e80" else 3
    for at in range(0, len(word), length):
        yield word[at : at + length]


def _flat(pieces: Pieces, size: int, _: str, rng: random.Random) -> str:
    return "".join(pieces.any(rng, 1.0) for _ in range(size))


def _frequent(pieces: Pieces, size: int, _: str, rng: random.Random) -> str:
    return "".join(pieces.any(rng, 0.2) for _ in range(size))


def _code(pieces: Pieces, size: int, _: str, rng: random.Random) -> str:
    drawers = (pieces.camel, pieces.camel, pieces.signs, pieces.signs, pieces.cuts, pieces.words)
    return "".join(rng.choice(drawers).draw(rng) for _ in range(size))


def _signs(pieces: Pieces, size: int, _: str, rng: random.Random) -> str:
    """Mostly signs, as left where brackets and quotes pay: `{[ {](corner {{ [@`."""
    return "".join((pieces.signs if rng.random() < 0.55 else pieces.words).draw(rng) for _ in range(size))


def _foreign(pieces: Pieces, size: int, _: str, rng: random.Random) -> str:
    return "".join(pieces.foreign.draw(rng) if rng.random() < 0.25 else pieces.any(rng, 0.7) for _ in range(size))


def _perturbed(pieces: Pieces, size: int, sentence: str, rng: random.Random) -> str:
    """A readable sentence of which a greedy search has replaced most tokens."""
    tokens = _TOKEN.findall(sentence)
    at = rng.randrange(max(1, len(tokens) - size))
    share = rng.uniform(0.55, 0.9)
    return "".join(pieces.any(rng, 0.8) if rng.random() < share else token for token in tokens[at : at + size])


def _marks(pieces: Pieces, size: int, _: str, rng: random.Random) -> str:
    """The usual start, `! ! ! !`, with a part left as it was."""
    share = rng.uniform(0.15, 0.4)
    start = rng.choice((" !", " !", " x", "!", " ?"))
    return "".join(start if rng.random() < share else pieces.any(rng, 0.8) for _ in range(size))


def _likely(pieces: Pieces, size: int, _: str, rng: random.Random) -> str:
    """Of six pieces always the one that follows most easily: what a search that also minds perplexity leaves."""
    text = " "
    while size := size - 1:
        choice = [pieces.any(rng, 0.8) for _ in range(6)]
        fit = [pieces.pairs[text[-1] + piece[0]] for piece in choice]
        text += choice[fit.index(max(fit))]
    return text


def _glued(pieces: Pieces, size: int, _: str, rng: random.Random) -> str:
    """Most spaces lost, as between tokens that continue words."""
    return "".join(
        piece if rng.random() < 0.3 else piece.strip() for piece in (pieces.any(rng, 0.6) for _ in range(size))
    )


def _retold(pieces: Pieces, size: int, sentence: str, rng: random.Random) -> str:
    """Words of a sentence out of order, with signs and cuts between: `with Write unsorted](steps ;) instead`."""
    words = sentence.split() or ["so"]
    text = ""
    for _ in range(size):
        chance = rng.random()
        word = rng.choice(words)
        word = word.upper() if chance < 0.08 else word.title() if chance < 0.2 else word
        text += (
            rng.choice((" ", " ", "")) + word
            if rng.random() < 0.4
            else rng.choice((pieces.signs, pieces.cuts)).draw(rng)
        )
    return text


KINDS: Final[dict[str, Callable[[Pieces, int, str, random.Random], str]]] = {
    "flat": _flat,
    "frequent": _frequent,
    "code": _code,
    "signs": _signs,
    "foreign": _foreign,
    "perturbed": _perturbed,
    "marks": _marks,
    "likely": _likely,
    "glued": _glued,
    "retold": _retold,
}


def suffixes(pieces: Pieces, sentences: Sequence[str], count: int, rng: random.Random) -> Iterator[Suffix]:
    """`count` suffixes of each kind, of 10 to 60 tokens."""
    for kind, make in KINDS.items():
        for _ in range(count):
            text = make(pieces, rng.randint(10, 60), rng.choice(sentences), rng).strip()
            if len(text) > 30:
                yield Suffix(text, kind)

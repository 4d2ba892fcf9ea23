"""InjectionModel: how much a text reads like an attempt to override, extract or escape instructions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from sidecar.errors import ConfigurationError
from sidecar.inspection.model.features import (
    BITS,
    DAMPING,
    ORDERS,
    WINDOW,
    Hashes,
    Indices,
    features,
    hash_tokens,
    windows,
)

_ARTEFACT = "injection.npz"
_MANY = 32  # windows; beyond, padding a text buys nothing more


@dataclass(frozen=True, slots=True)
class Evidence:
    """The window of a text that looks most like an attack: its characters `start` to `end`, and its score in 0..1."""

    score: float
    start: int
    end: int


class InjectionModel:
    """A linear model over windows of words.

    Its score is calibrated on sources that were left out of training: 0.5 is the balanced operating point, where each
    of them stays within its budget of false positives, and log-odds grow as they did for those sources. Immutable, so
    that threads may share it.
    """

    __slots__ = ("_bias", "_floor", "_spread", "_weights")

    def __init__(self, weights: NDArray[np.float32], bias: float, *, floor: float, spread: float) -> None:
        """Log-odds: `floor` (below 0) is the least that a word can count, so that friendly words can't drown an attack;
        `spread` is what each doubling of a long text takes off (in units of its natural logarithm), because the worst
        of many windows is worse by chance."""
        self._weights = weights
        self._bias = bias
        self._floor = floor
        self._spread = spread

    @classmethod
    def load(cls, path: Path | None = None) -> InjectionModel:
        """The model that ships with the package, or the one in `path` (both made by `make train-injection`).

        Raises ConfigurationError when the file cannot be read or was made for other features.
        """
        try:
            if path is not None:
                return cls._read(path)
            with resources.as_file(resources.files(__package__) / _ARTEFACT) as shipped:
                return cls._read(shipped)
        except (OSError, EOFError, KeyError, IndexError, TypeError, ValueError, BadZipFile) as error:
            raise ConfigurationError(str(path or _ARTEFACT), "", f"not an injection model: {error}") from error

    @classmethod
    def _read(cls, path: Path) -> InjectionModel:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            weights = np.zeros(1 << BITS, np.float32)
            weights[arrays["buckets"]] = arrays["weights"]
            bias, floor, spread = (float(arrays[name]) for name in ("bias", "floor", "spread"))
            return cls(weights, bias, floor=floor, spread=spread)

    def save(self, path: Path) -> None:
        """Write the artefact: the buckets that carry weight, as half floats."""
        buckets = np.flatnonzero(self._weights).astype(np.uint32)
        weights = self._weights[buckets].astype(np.float16)
        bias, floor, spread = np.float64(self._bias), np.float64(self._floor), np.float64(self._spread)
        np.savez_compressed(path, buckets=buckets, weights=weights, bias=bias, floor=floor, spread=spread)

    def score(self, text: str) -> float:
        """0..1 for the most suspicious window of the text; 0 for a text without words."""
        return self.locate(text).score

    def locate(self, text: str) -> Evidence:
        """The most suspicious window of the text, with its place."""
        words, stems, starts = hash_tokens(text)
        if not len(words):
            return Evidence(0.0, 0, 0)
        logits, first, end = self._windows(words, stems)
        best = int(logits.argmax())
        last = int(end[best])
        finish = int(starts[last]) if last < len(starts) else len(text)
        return Evidence(_logistic(float(logits[best])), int(starts[first[best]]), finish)

    def logit(self, text: str) -> float:
        """The score as log-odds; minus infinity for a text without words."""
        words, stems, _ = hash_tokens(text)
        return float(self._windows(words, stems)[0].max()) if len(words) else -math.inf

    def _windows(self, words: Hashes, stems: Hashes) -> tuple[NDArray[np.float64], Indices, Indices]:
        """Log-odds, first word and end of every window."""
        share = np.add.reduce(self._weights.take(features(words, stems)), axis=0)
        sums = np.zeros(len(words) + 1)
        np.maximum(share, self._floor).cumsum(out=sums[1:])
        first, end = windows(len(words))
        bias = self._bias - self._spread * math.log(min(len(first), _MANY))
        return (sums[end] - sums[first]) / np.sqrt(end - first + DAMPING) + bias, first, end

    def explain(self, text: str, count: int = 10) -> list[tuple[str, float]]:
        """The `count` n-grams that moved the score most, each with its share of the logit; negative ones speak for it.

        For a person at a terminal, never for a log: the names are the text's own words.
        """
        words, stems, starts = hash_tokens(text)
        if not len(words):
            return []
        place = self.locate(text)
        inside = (starts >= place.start) & (starts < max(place.end, place.start + 1))
        scale = 1 / math.sqrt(min(len(words), WINDOW) + DAMPING)
        weights = self._weights[features(words, stems)] * scale
        shares: dict[str, float] = {}
        for row, column in zip(*np.nonzero(weights * inside), strict=True):
            stem, offsets, _ = ORDERS[int(row)]
            name = _name(text, starts, int(column), stem=stem, offsets=offsets)
            shares[name] = shares.get(name, 0.0) + float(weights[row, column])
        return sorted(shares.items(), key=lambda item: -abs(item[1]))[:count]


def _name(text: str, starts: NDArray[np.int64], last: int, *, stem: bool, offsets: tuple[int, ...]) -> str:
    tokens = []
    for offset in reversed(offsets):
        begin = int(starts[last - offset])
        following = int(starts[last - offset + 1]) if last - offset + 1 < len(starts) else len(text)
        token = text[begin:following].split(maxsplit=1)[0].strip(".,:;!?\"'()[]{}<>").lower()
        tokens.append(token[:5] + "*" if stem and len(token) > 5 else token)
    return (" … " if offsets[-1] >= len(offsets) else " ").join(tokens)


def _logistic(logit: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))

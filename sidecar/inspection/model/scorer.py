"""InjectionModel: how much a text reads like an attempt to override, extract or escape instructions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sidecar.errors import ConfigurationError
from sidecar.inspection.model.features import BITS, DAMPING, ORDERS, WINDOW, features, hash_tokens, windows

_ARTEFACT = "injection.npz"


@dataclass(frozen=True, slots=True)
class Evidence:
    """The window of a text that looks most like an attack: its characters `start` to `end`, and its score in 0..1."""

    score: float
    start: int
    end: int


class InjectionModel:
    """A linear model over windows of words, calibrated: of texts that score 0.9, nine in ten are attacks.

    The calibration is for the mix of the published evaluation (as many attacks as benign texts, every source counted
    alike); real traffic holds fewer attacks. The model is immutable and may be shared by threads.
    """

    __slots__ = ("_bias", "_weights")

    def __init__(self, weights: NDArray[np.float32], bias: float) -> None:
        self._weights = weights
        self._bias = bias

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
        except (OSError, KeyError, ValueError) as error:
            raise ConfigurationError(f"the injection model {path or _ARTEFACT} cannot be read: {error}") from error

    @classmethod
    def _read(cls, path: Path) -> InjectionModel:
        with np.load(path, allow_pickle=False) as arrays:
            weights = np.zeros(1 << BITS, np.float32)
            weights[arrays["buckets"]] = arrays["weights"]
            return cls(weights, float(arrays["bias"]))

    def save(self, path: Path) -> None:
        """Write the artefact: the buckets that carry weight, as half floats."""
        buckets = np.flatnonzero(self._weights).astype(np.uint32)
        np.savez_compressed(
            path, buckets=buckets, weights=self._weights[buckets].astype(np.float16), bias=np.float64(self._bias)
        )

    def score(self, text: str) -> float:
        """0..1 for the most suspicious window of the text; 0 for a text without words."""
        return self.locate(text).score

    def locate(self, text: str) -> Evidence:
        """The most suspicious window of the text, with its place."""
        words, stems, starts = hash_tokens(text)
        if not len(words):
            return Evidence(0.0, 0, 0)
        sums = np.cumsum(self._weights[features(words, stems)].sum(axis=0), dtype=np.float64)
        first, end = windows(len(words))
        sums = np.concatenate(([0.0], sums))
        logits = (sums[end] - sums[first]) / np.sqrt(end - first + DAMPING)
        best = int(np.argmax(logits))
        last = int(end[best])
        finish = int(starts[last]) if last < len(starts) else len(text)
        return Evidence(_logistic(float(logits[best]) + self._bias), int(starts[first[best]]), finish)

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
            name = _name(text, starts, int(column), ORDERS[int(row)])
            shares[name] = shares.get(name, 0.0) + float(weights[row, column])
        return sorted(shares.items(), key=lambda item: -abs(item[1]))[:count]


def _name(text: str, starts: NDArray[np.int64], last: int, order: tuple[bool, tuple[int, ...]]) -> str:
    stem, offsets = order
    tokens = []
    for offset in reversed(offsets):
        begin = int(starts[last - offset])
        following = int(starts[last - offset + 1]) if last - offset + 1 < len(starts) else len(text)
        token = text[begin:following].split()[0].strip(".,:;!?\"'()[]{}<>").lower()
        tokens.append(token[:5] + "*" if stem and len(token) > 5 else token)
    return (" … " if offsets[-1] >= len(offsets) else " ").join(tokens)


def _logistic(logit: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))

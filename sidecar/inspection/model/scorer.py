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
from sidecar.inspection.model.compiled import Found, compiled_scorer
from sidecar.inspection.model.concepts import Concepts
from sidecar.inspection.model.features import BUCKETS, DAMPING, MEANINGS, ORDERS, WINDOW, features, windows
from sidecar.inspection.model.tokens import Hashes, Indices, grams, hash_tokens
from sidecar.inspection.places import Place, merged
from sidecar.prompt import Role

_ARTEFACT = "injection.npz"
_MANY = 32  # windows; beyond, padding a text buys nothing more
_CHUNK = 2048  # tokens whose features fit into a processor's cache
_BEFORE = 16  # tokens on which those of a chunk may build
_LARGEST = 3.0  # log-odds; a larger weight counts no more
_DOUBTFUL = math.log(0.03 / 0.97)  # of a thousand attacks that rules find, the model sees all but two above it


@dataclass(frozen=True, slots=True)
class Evidence:
    """The window of a text that looks most like an attack: its characters `start` to `end`, and its score in 0..1.

    `doubtful` are the stretches that the model does not take for ordinary text, from and to, apart and in order.
    """

    score: float
    start: int
    end: int
    doubtful: tuple[Place, ...] = ()


class InjectionModel:
    """A linear model over windows of words.

    Its score is calibrated on sources that were left out of training: 0.5 is the balanced operating point, where each
    of them stays within its budget of false positives, and log-odds grow as they did for those sources. Immutable, so
    that threads may share it.
    """

    __slots__ = ("_bias", "_compiled", "_concepts", "_floor", "_least", "_scale", "_spread", "_weights")

    def __init__(
        self, weights: NDArray[np.int8], scale: float, bias: float, concepts: Concepts, *, floor: float, spread: float
    ) -> None:
        """`weights` has shape (2, BUCKETS): for what people write, and for what tools return. `concepts` are those that
        they were fitted with. Log-odds: `scale` is what a weight of 1 counts;
        `floor` (below 0) is the least that a word can count, so that friendly words can't drown an attack; `spread` is
        what each doubling of a long text takes off (in units of its natural logarithm), because the worst of many
        windows is worse by chance."""
        self._weights = weights
        self._scale = scale
        self._bias = bias
        self._concepts = concepts
        self._floor = floor
        self._least = np.int16(max(-(1 << 15), round(floor / scale)))
        self._spread = spread
        self._compiled = compiled_scorer(
            weights,
            concepts.table,
            scale=scale,
            bias=bias,
            spread=spread,
            least=int(self._least),
            doubtful=_DOUBTFUL,
        )

    @classmethod
    def rounded(
        cls, weights: NDArray[np.float32], bias: float, concepts: Concepts, *, floor: float, spread: float
    ) -> InjectionModel:
        """The same from weights in log-odds, in steps of a 127th of the largest that count (`_LARGEST`)."""
        scale = min(float(np.abs(weights).max(initial=0)), _LARGEST) / 127 or 1.0
        small = np.clip(np.round(weights / scale), -127, 127).astype(np.int8)
        return cls(small, scale, bias, concepts, floor=floor, spread=spread)

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
            weights = np.zeros((2, BUCKETS), np.int8)
            weights[:, arrays["buckets"]] = arrays["weights"]
            scale, bias, floor, spread = (float(arrays[name]) for name in ("scale", "bias", "floor", "spread"))
            concepts = Concepts(arrays["slots"], arrays["concepts"])
            return cls(weights, scale, bias, concepts, floor=floor, spread=spread)

    def save(self, path: Path) -> None:
        """Write the artefact: the buckets that carry weight, and the dictionary of concepts."""
        buckets = np.flatnonzero(self._weights.any(axis=0)).astype(np.uint32)
        slots, concepts = self._concepts.arrays()
        np.savez_compressed(
            path,
            buckets=buckets,
            weights=self._weights[:, buckets],
            slots=slots,
            concepts=concepts,
            scale=np.float64(self._scale),
            bias=np.float64(self._bias),
            floor=np.float64(self._floor),
            spread=np.float64(self._spread),
        )

    def score(self, text: str, role: Role = Role.USER) -> float:
        """0..1 for the most suspicious window of the text; 0 for a text without words."""
        return self.locate(text, role).score

    def locate(self, text: str, role: Role = Role.USER) -> Evidence:
        """The most suspicious window of the text, with its place."""
        found = self._find(text, role)
        if found is None:
            return Evidence(0.0, 0, 0)
        logit, start, end, doubtful = found
        return Evidence(_logistic(logit), start, end, tuple(merged(doubtful)))

    def logit(self, text: str, role: Role = Role.USER) -> float:
        """The score as log-odds; minus infinity for a text without words."""
        found = self._find(text, role)
        return -math.inf if found is None else found[0]

    def _find(self, text: str, role: Role) -> Found | None:
        if self._compiled is not None:
            return self._compiled(text, role is Role.TOOL)
        hashes, starts = hash_tokens(text)
        if not len(starts):
            return None
        logits, first, end = self._windows(hashes, role)
        best = int(logits.argmax())
        doubtful = [_place(text, starts, first[one], end[one]) for one in np.flatnonzero(logits >= _DOUBTFUL)]
        return float(logits[best]), *_place(text, starts, first[best], end[best]), doubtful

    def _windows(self, hashes: Hashes, role: Role) -> tuple[NDArray[np.float64], Indices, Indices]:
        """Log-odds, first word and end of every window."""
        share = self._shares(hashes, self._weights[int(role is Role.TOOL)])
        count = len(share)
        if count <= WINDOW:
            logit = int(share.sum(dtype=np.int64)) * self._scale / math.sqrt(count + DAMPING) + self._bias
            return np.array([logit]), np.zeros(1, np.int64), np.array([count])
        sums = np.zeros(count + 1, np.int64)
        share.cumsum(out=sums[1:])
        first, end = windows(count)
        bias = self._bias - self._spread * math.log(min(len(first), _MANY))
        return (sums[end] - sums[first]) * (self._scale / np.sqrt(end - first + DAMPING)) + bias, first, end

    def _shares(self, hashes: Hashes, weights: NDArray[np.int8]) -> NDArray[np.int16]:
        """What each token counts, with those before it."""
        count = hashes.shape[1]
        if count > _CHUNK + _BEFORE:
            parts = ((max(0, at - _BEFORE), at) for at in range(0, count, _CHUNK))
            shares = [self._shares(hashes[:, low : at + _CHUNK], weights)[at - low :] for low, at in parts]
            return np.concatenate(shares)
        share: NDArray[np.int16] = np.add.reduce(weights.take(features(hashes, self._concepts)), axis=0, dtype=np.int16)
        np.maximum(share, self._least, out=share)
        return share

    def explain(self, text: str, count: int = 10) -> list[tuple[str, float]]:
        """The `count` features that moved the score most, each with its share of the logit; negative ones speak for the
        text. They are words, and (`like ...`) whatever means the same as these.

        For a person at a terminal, never for a log: the names are the text's own words.
        """
        hashes, starts = hash_tokens(text)
        if not len(starts):
            return []
        place = self.locate(text)
        inside = (starts >= place.start) & (starts < max(place.end, place.start + 1))
        scale = self._scale / math.sqrt(min(len(starts), WINDOW) + DAMPING)
        weights = self._weights[0][features(hashes, self._concepts)] * scale
        carriers = np.flatnonzero(self._concepts.find(hashes, grams(hashes[0])[1:]))
        words = _words(text, starts)
        shares: dict[str, float] = {}
        for row, column in zip(*np.nonzero(weights * inside), strict=True):
            if row < len(ORDERS):
                found = [words[column - offset] for offset in reversed(ORDERS[row])]
                name = " ".join(found if row < 2 else (word[:5] + "*" if len(word) > 5 else word for word in found))
            else:
                last = int(np.searchsorted(carriers, column))
                offsets = reversed(MEANINGS[row - len(ORDERS)])
                name = " ".join(("like", *(words[carriers[last - offset]] for offset in offsets)))
            shares[name] = shares.get(name, 0.0) + float(weights[row, column])
        return sorted(shares.items(), key=lambda item: -abs(item[1]))[:count]


def _place(text: str, starts: Indices, first: int, end: int) -> Place:
    """The characters from one token to before another."""
    return int(starts[first]), int(starts[end]) if end < len(starts) else len(text)


def _words(text: str, starts: Indices) -> list[str]:
    ends = [*starts[1:].tolist(), len(text)]
    parts = (text[start:end].split(maxsplit=1)[0] for start, end in zip(starts.tolist(), ends, strict=True))
    return [part.strip(".,:;!?\"'()[]{}<>").lower() for part in parts]


def _logistic(logit: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))

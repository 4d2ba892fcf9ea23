"""GibberishModel: where a text turns into token soup, as left by an optimiser that looks for a jailbreaking suffix."""

from __future__ import annotations

import math
from importlib import resources
from pathlib import Path
from typing import Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from sidecar.errors import ConfigurationError
from sidecar.inspection.model.compiled import compiled_soup
from sidecar.inspection.model.scorer import Evidence
from sidecar.inspection.model.soup import BITS, DAMPING, Indices, Soup, windows

_ARTEFACT = "gibberish.npz"
BLOCK: Final = 8
"""Bytes summed at once by the gate: as many as one machine word holds."""
SIGHT: Final = 8
"""Blocks that the gate judges together."""
_MARGIN: Final = 128  # bytes scored on either side of what the gate lets through
_CHUNK: Final = 1 << 15
_OVERLAP: Final = 2 * _MARGIN
MOST: Final = 31
"""The gate's largest weight: eight of them still fit into a byte."""

GATE_BITS: Final = 15
_LETTERS: Final = "abcdefghiklmnoprstuvwy"
_SETS: Final = (
    "jqxz",
    "0123456789",
    " ",
    "\n\t\r",
    ".,;:!?",
    "\"'`",
    "([{<",
    ")]}>",
)  # and capitals before, others after


def _kinds() -> bytes:
    """Of every byte: which of 32 kinds of character it is. Common small letters are kinds of their own."""
    table = bytearray([31] * 128 + [len(_LETTERS)] * 128)
    for number, characters in enumerate((*_LETTERS, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", *_SETS)):
        for character in characters:
            table[ord(character)] = number
    return bytes(table)


KINDS: Final = _kinds()
_ONES: Final = np.uint64(0x0101010101010101)
_TOP: Final = np.uint64(56)


def triples(data: bytes) -> NDArray[np.uint16]:
    """The kinds of each byte and the two before it, as one number; the first stands behind two spaces."""
    kinds = np.frombuffer(b"  ".translate(KINDS) + data.translate(KINDS), np.uint8).astype(np.uint16)
    codes: NDArray[np.uint16] = kinds[:-2] << np.uint16(5)
    codes |= kinds[1:-1]
    codes <<= np.uint16(5)
    codes |= kinds[2:]
    return codes


class GibberishModel:
    """Two linear models: a gate over kinds of characters, and one over pieces for what the gate lets through.

    A score of 0.5 is the operating point that `make train-gibberish` chose. Immutable, so that threads may share it.
    """

    __slots__ = ("_bias", "_gate", "_limit", "_weights", "_worst")

    def __init__(self, weights: NDArray[np.float32], bias: float, gate: NDArray[np.uint8], limit: int) -> None:
        """`gate` has a weight (0 to MOST) for each triple of kinds; SIGHT blocks that sum to `limit` pass."""
        self._weights = weights
        self._bias = bias
        self._gate = gate
        self._limit = limit
        self._worst = compiled_soup(KINDS, gate, weights, bias, limit) or self._worst_in_numpy

    @classmethod
    def load(cls, path: Path | None = None) -> GibberishModel:
        """The model that ships with the package, or the one in `path`. Raises ConfigurationError for a bad file."""
        try:
            if path is not None:
                return cls._read(path)
            with resources.as_file(resources.files(__package__) / _ARTEFACT) as shipped:
                return cls._read(shipped)
        except (OSError, EOFError, KeyError, IndexError, TypeError, ValueError, BadZipFile) as error:
            raise ConfigurationError(str(path or _ARTEFACT), "", f"not a gibberish model: {error}") from error

    @classmethod
    def _read(cls, path: Path) -> GibberishModel:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            weights = arrays["weights"].astype(np.float32) * np.float32(arrays["scale"])
            gate = arrays["gate"].astype(np.uint8)
            if weights.shape != (1 << BITS,) or gate.shape != (1 << GATE_BITS,):
                raise ValueError("made for other features")
            return cls(weights, float(arrays["bias"]), gate, int(arrays["limit"]))

    def shifted(self, logit: float) -> GibberishModel:
        """The same model with `logit` added to its log-odds."""
        return GibberishModel(self._weights, self._bias + logit, self._gate, self._limit)

    def save(self, path: Path) -> None:
        """Write the artefact: weights as bytes of one scale."""
        scale = float(np.abs(self._weights).max()) / 127 or 1.0
        np.savez_compressed(
            path,
            weights=np.round(self._weights / scale).astype(np.int8),
            scale=np.float64(scale),
            bias=np.float64(self._bias),
            gate=self._gate,
            limit=np.int64(self._limit),
        )

    def locate(self, text: str, enough: float = 1.0) -> Evidence | None:
        """The worst stretch of the text, with its score in 0..1; None for a text with nothing worth a second look.

        A long text is read in chunks of 32 kB, none behind the first whose score reaches `enough`.
        """
        data = text.encode("utf-8", "surrogatepass")
        worst: tuple[float, int, int] | None = None
        for at in range(0, len(data), _CHUNK):
            shift = max(0, at - _OVERLAP)
            found = self._worst(data[shift : at + _CHUNK])
            if found is not None and (worst is None or found[0] > worst[0]):
                worst = (found[0], found[1] + shift, found[2] + shift)
                if _logistic(worst[0]) >= enough:
                    break
        if worst is None:
            return None
        logit, start, end = worst
        if len(data) != len(text):
            begins = (np.frombuffer(data, np.uint8) & 0xC0) != 0x80
            start, end = (int(np.count_nonzero(begins[:place])) for place in (start, end))
        start = min(start, len(text) - 1)
        return Evidence(_logistic(logit), start, max(end, start + 1))

    def logit(self, text: str) -> float:
        """The score of the worst stretch as log-odds; minus infinity when the gate lets nothing through."""
        evidence = self.locate(text)
        return -math.inf if evidence is None else math.log(evidence.score / (1 - evidence.score))

    def _worst_in_numpy(self, data: bytes) -> tuple[float, int, int] | None:
        begins, ends = self.regions(data)
        if not len(begins):
            return None
        parts = [data[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
        soup = Soup(b"\n".join(parts))
        if not len(soup.start):
            return None
        first, last = windows(len(soup.start))
        logits = self.logits(soup, first, last)
        best = low = high = int(logits.argmax())
        while low and logits[low - 1] >= 0:
            low -= 1
        while high + 1 < len(logits) and logits[high + 1] >= 0:
            high += 1
        shifts = np.concatenate(([0], np.cumsum(ends - begins + 1)[:-1]))

        def place(offset: int) -> int:
            region = int(np.searchsorted(shifts, offset, side="right")) - 1
            return int(min(begins[region] + offset - shifts[region], ends[region]))

        return float(logits[best]), place(int(soup.start[first[low]])), place(int(soup.end[last[high] - 1]))

    def regions(self, data: bytes) -> tuple[Indices, Indices]:
        """Begins and ends of what is worth scoring, with some text around it."""
        size = len(data)
        if size < BLOCK * SIGHT:
            total = int(self._gate.take(triples(data)).sum(dtype=np.int64))
            passed = int(total > 0 and total * BLOCK * SIGHT >= self._limit * size)
            return np.zeros(passed, np.int64), np.full(passed, size)
        skipped = size % BLOCK
        blocks = (self._gate.take(triples(data)[skipped:]).view("<u8") * _ONES) >> _TOP
        sums = np.zeros(len(blocks) + 1, np.int64)
        np.cumsum(blocks, out=sums[1:], dtype=np.int64)
        hits = np.flatnonzero(sums[SIGHT:] - sums[:-SIGHT] >= self._limit)
        if not len(hits):
            return hits, hits
        hits *= BLOCK
        hits += skipped
        begins, ends = hits - _MARGIN, hits + (BLOCK * SIGHT + _MARGIN)
        apart = begins[1:] > ends[:-1]
        return np.maximum(begins[np.append(True, apart)], 0), np.minimum(ends[np.append(apart, True)], size)

    def logits(self, soup: Soup, first: Indices, last: Indices) -> NDArray[np.float64]:
        """Log-odds of each window of pieces `first` to `last`."""
        share = np.add.reduce(self._weights.take(soup.pieces), axis=0, dtype=np.float64)
        sums = np.zeros(soup.bytes.shape[1] + 1)
        np.cumsum(np.add.reduce(self._weights.take(soup.bytes), axis=0), out=sums[1:], dtype=np.float64)
        share += sums[soup.end] - sums[soup.begin]
        total = np.zeros(len(share) + 1)
        np.cumsum(share, out=total[1:])
        logits: NDArray[np.float64] = (total[last] - total[first]) / np.sqrt(last - first + DAMPING) + self._bias
        return logits


def _logistic(logit: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))

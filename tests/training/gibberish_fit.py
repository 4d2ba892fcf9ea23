"""Fits the gate and the model over pieces that know token soup, in numpy alone."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sidecar.inspection.model.gibberish import BLOCK, GATE_BITS, MOST, SIGHT, GibberishModel, triples
from sidecar.inspection.model.soup import BITS, DAMPING, Indices, Soup, windows
from tests.training.gibberish_suffixes import Suffix
from tests.training.gibberish_texts import Text

_SEED: Final = 5
_GATE_MISSES: Final = 0.02  # of all suffixes that the gate may leave to nobody while the model is fitted
_GATE_LOSSES: Final = 0.02  # and in the end, of those that the model then catches
_SURE: Final = 2.0
_BATCH: Final = 1024
_EPOCHS: Final = 6
_STEP: Final = 0.05
_SHRINKAGE: Final = 1e-5
_FIRST: Final = 10  # windows of a benign text at first; then those that look worst are added
_ADDED: Final = 6
_ROUNDS: Final = 3
_REPEATED: Final = 0.12  # of the suffixes stand there more than once: what repeats itself is not readable for that
_BETWEEN: Final = (" ", " ", " ", " ", "\n", "\n\n", ". ", ": ", "", "? ")

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Attack:
    """A readable request with a suffix from byte `start` to `end`, sometimes with more text behind it."""

    text: str
    kind: str
    start: int
    end: int


def attacks(suffixes: Sequence[Suffix], carriers: Sequence[str]) -> list[Attack]:
    """Each suffix behind a request, or alone, or with something behind it."""
    rng = random.Random(_SEED)
    made = []
    for suffix in suffixes:
        text = suffix.text
        if rng.random() < _REPEATED:
            text = rng.choice(_BETWEEN).join([text] * rng.randint(2, 4))
        before = rng.choice(carriers)[-600:] + rng.choice(_BETWEEN) if rng.random() < 0.92 else ""
        after = rng.choice(_BETWEEN) + rng.choice(carriers)[:400] if rng.random() < 0.15 else ""
        start = len(before.encode())
        made.append(Attack(before + text + after, suffix.kind, start, start + len(text.encode())))
    return made


def fit_gate(texts: Sequence[Text], found: Sequence[Attack]) -> tuple[NDArray[np.uint8], int]:
    """Weights of the triples of kinds of characters, and a limit that all but a few of the suffixes reach."""
    rng = random.Random(_SEED)
    span = BLOCK * SIGHT
    rows: list[NDArray[np.int32]] = []
    labels: list[float] = []
    cases = [(text.text.encode(), 0, len(text.text.encode()), 0.0) for text in texts]
    cases += [(attack.text.encode(), attack.start, attack.end, 1.0) for attack in found]
    for data, start, end, label in cases:
        codes = triples(data)
        for _ in range(4):
            at = rng.randint(start, max(start, end - span))
            part = codes[at : at + span]
            if len(part) == span:
                rows.append(part.astype(np.int32))
                labels.append(label)
    truth = np.array(labels)
    weight = np.where(truth > 0, len(truth) / truth.sum(), len(truth) / (1 - truth).sum()) / 2
    scales = np.full(len(rows), 1 / span**0.5)
    values, _ = _descend(rows, scales, truth, weight, np.random.default_rng(_SEED), GATE_BITS)
    low, high = np.percentile(values[np.unique(np.concatenate(rows))], (1, 99))
    gate = np.clip(np.round((values - low) / (high - low) * MOST), 0, MOST).astype(np.uint8)
    return gate, _limit(gate, found, _GATE_MISSES)


def _limit(gate: NDArray[np.uint8], found: Sequence[Attack], misses: float) -> int:
    """The limit that all but a share of the suffixes reach, of those that are long enough."""
    best = []
    for attack in found:
        sums = gate[triples(attack.text.encode())[attack.start : attack.end]].cumsum(dtype=np.int64)
        if len(sums) > BLOCK * SIGHT:
            best.append(int((sums[BLOCK * SIGHT :] - sums[: -BLOCK * SIGHT])[::BLOCK].max()))
    return int(np.quantile(best, misses))


@dataclass(slots=True)
class _Sample:
    """Everything about one text that training needs: its features, and which window is what."""

    soup: Soup
    first: Indices
    last: Indices
    weight: float
    label: bool
    usable: Indices


def fit(texts: Sequence[Text], found: Sequence[Attack], gate: tuple[NDArray[np.uint8], int]) -> GibberishModel:
    """A model of the texts and the attacks behind `gate`. Benign windows that look worst are looked at again."""
    rng = np.random.default_rng(_SEED)
    blank = GibberishModel(np.zeros(1 << BITS, np.float32), 0.0, *gate)
    sizes = Counter(text.source for text in texts)
    samples = [one for text in texts if (one := _benign(blank, text.text, 1 / sizes[text.source] ** 0.5))]
    kinds = Counter(attack.kind for attack in found)
    samples += [one for attack in found if (one := _attack(blank, attack, 1 / kinds[attack.kind]))]
    chosen: list[NDArray[np.int64]] = []
    for sample in samples:
        count = len(sample.usable) if sample.label else min(_FIRST, len(sample.usable))
        chosen.append(rng.choice(sample.usable, count, replace=False))
    weights, bias = np.zeros(1 << BITS), 0.0
    for round_ in range(_ROUNDS):
        rows, scales, labels, importance = _rows(samples, chosen)
        weights, bias = _descend(rows, scales, labels, importance, rng, BITS)
        model = GibberishModel(weights.astype(np.float32), bias, *gate)
        if round_ + 1 < _ROUNDS:
            for number, sample in enumerate(samples):
                logits = model.logits(sample.soup, sample.first, sample.last)[sample.usable]
                order = sample.usable[np.argsort(-logits)]
                if sample.label:
                    chosen[number] = order[: max(1, len(order) // 2)]
                else:
                    chosen[number] = np.union1d(chosen[number], order[:_ADDED])
    caught = [attack for attack in found if model.logit(attack.text) >= _SURE]
    return GibberishModel(weights.astype(np.float32), bias, gate[0], _limit(gate[0], caught, _GATE_LOSSES))


def _benign(model: GibberishModel, text: str, weight: float) -> _Sample | None:
    data = text.encode()
    begins, ends = model.regions(data)
    soup = Soup(b"\n".join(data[begin:end] for begin, end in zip(begins, ends, strict=True)))
    if not len(soup.start):
        return None
    first, last = windows(len(soup.start))
    return _Sample(soup, first, last, weight, label=False, usable=np.arange(len(first)))


def _attack(model: GibberishModel, attack: Attack, weight: float) -> _Sample | None:
    """Windows that lie in the suffix for three quarters."""
    data = attack.text.encode()
    begins, ends = model.regions(data)
    soup = Soup(b"\n".join(data[begin:end] for begin, end in zip(begins, ends, strict=True)))
    if not len(soup.start):
        return None
    origin = np.concatenate([np.append(np.arange(begin, end), end) for begin, end in zip(begins, ends, strict=True)])
    first, last = windows(len(soup.start))
    inside = (origin[soup.start] >= attack.start) & (origin[soup.start] < attack.end)
    sums = np.concatenate(([0], inside.cumsum()))
    usable = np.flatnonzero((sums[last] - sums[first]) >= 0.75 * (last - first))
    return _Sample(soup, first, last, weight, label=True, usable=usable) if len(usable) else None


def _rows(
    samples: Sequence[_Sample], chosen: Sequence[NDArray[np.int64]]
) -> tuple[list[NDArray[np.int32]], Floats, Floats, Floats]:
    rows: list[NDArray[np.int32]] = []
    scales, labels, importance = [], [], []
    for sample, numbers in zip(samples, chosen, strict=True):
        soup = sample.soup
        for number in numbers:
            first, last = sample.first[number], sample.last[number]
            begin, end = soup.begin[first], soup.end[last - 1]
            rows.append(
                np.concatenate((soup.pieces[:, first:last].ravel(), soup.bytes[:, begin:end].ravel())).astype(np.int32)
            )
            scales.append(1 / np.sqrt(last - first + DAMPING))
            labels.append(float(sample.label))
            importance.append(sample.weight / len(numbers))
    weight = np.array(importance)
    label = np.array(labels)
    for side in (label > 0, label == 0):
        weight[side] *= 0.5 * len(label) / weight[side].sum()
    return rows, np.array(scales), label, np.minimum(weight, 20)


def _descend(
    rows: Sequence[NDArray[np.int32]],
    scales: Floats,
    labels: Floats,
    importance: Floats,
    rng: np.random.Generator,
    bits: int = BITS,
) -> tuple[Floats, float]:
    """AdaGrad over small batches of the logistic loss, averaged over the last epoch."""
    weights, bias, squares, bias_squares = np.zeros(1 << bits), 0.0, np.full(1 << bits, 1e-4), 1e-4
    mean, mean_bias, steps = np.zeros(1 << bits), 0.0, 0
    for epoch in range(_EPOCHS):
        order = rng.permutation(len(rows))
        for at in range(0, len(order), _BATCH):
            batch = order[at : at + _BATCH]
            parts = [rows[number] for number in batch]
            sizes = np.array([len(part) for part in parts])
            indices = np.concatenate(parts)
            logits = (
                np.add.reduceat(weights[indices], np.concatenate(([0], sizes.cumsum()[:-1]))) * scales[batch] + bias
            )
            error = (_logistic(logits) - labels[batch]) * importance[batch] / len(batch)
            slope = np.bincount(indices, np.repeat(error * scales[batch], sizes), 1 << bits) + _SHRINKAGE * weights
            squares += slope**2
            weights -= _STEP * slope / np.sqrt(squares)
            bias_squares += error.sum() ** 2
            bias -= _STEP * error.sum() / np.sqrt(bias_squares)
            if epoch == _EPOCHS - 1:
                mean += weights
                mean_bias += bias
                steps += 1
    return mean / steps, mean_bias / steps


def _logistic(values: Floats) -> Floats:
    clipped: Floats = 1 / (1 + np.exp(-np.clip(values, -30, 30)))
    return clipped

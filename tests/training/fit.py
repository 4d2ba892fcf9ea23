"""Logistic regression over hashed windows, fitted so that an attack needs only one window that looks like one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import SGDClassifier

from sidecar.inspection.evaluation import Case
from sidecar.inspection.model import InjectionModel
from sidecar.inspection.model.features import BUCKETS, DAMPING, WORDS, features, windows
from sidecar.inspection.model.tokens import Indices, hash_tokens
from sidecar.prompt import Role
from tests.training.corpus import UNDECIDABLE, WRITTEN
from tests.training.lexicon import concepts

_WINDOWS: Final = 12  # of one long text; more would only repeat its vocabulary
_SHRINKAGE: Final = 1e-6
_STEP: Final = 1.0
_EPOCHS: Final = 8
_ROUNDS: Final = 2
_SPREAD: Final = 0.4  # fewer false positives on long chat texts, and an attack in a long document is still seen
_MEANING: Final = 0.8  # how much a concept counts beside a word while weights are fitted
_FLOOR: Final = -2.0  # chosen on sources left out

# Some sources say less about injection than their size: persona texts are mostly story, one is about harm instead, and
# each language of the generated families is a translation of the others.
_SHARES: Final = {
    "itw_jailbreak_prompts": 0.5,
    "gptfuzz_templates": 0.5,
    "self_reminder_jb": 0.5,
    "llm_guardrails_bench": 0.2,
    "generated/en/benign": 2.0,  # twins of every family of attacks
}
_TRANSLATION: Final = 0.25
_OWN: Final = 1.5  # texts written for the purpose are all about it, and of many hands
_PUBLIC_BENIGN: Final = 2.0  # what people really ask

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Windows:
    """All windows of some cases: one sparse row each, and the number of the case that it belongs to."""

    rows: csr_matrix
    owner: Indices
    cases: int

    @classmethod
    def of(cls, cases: Sequence[Case]) -> Windows:
        """Rows hold the values with which the scorer weighs them; those of concepts less (`_MEANING`). What a tool
        returned has every feature twice: the second half of the columns is about tools alone (Daume 2007)."""
        indices: list[Indices] = []
        scales: list[float] = []
        owner: list[int] = []
        for number, case in enumerate(cases):
            for part in _windows(case.text):
                buckets = part[part > 0]
                indices.append(np.concatenate((buckets, buckets + BUCKETS)) if _from_tool(case) else buckets)
                scales.append(1 / np.sqrt(part.shape[1] + DAMPING))
                owner.append(number)
        lengths = np.array([len(row) for row in indices])
        columns = np.concatenate(indices)
        data = np.repeat(np.array(scales, np.float32), lengths)
        data[columns % BUCKETS >= WORDS] *= _MEANING
        pointer = np.concatenate(([0], np.cumsum(lengths)))
        rows = csr_matrix((data, columns, pointer), shape=(len(lengths), 2 * BUCKETS))
        rows.sum_duplicates()
        return cls(rows, np.asarray(owner), len(cases))

    def only(self, chosen: NDArray[np.bool_]) -> Windows:
        """The windows of the chosen cases alone, numbered anew."""
        number = np.cumsum(chosen) - 1
        mask = chosen[self.owner]
        return Windows(self.rows[mask], number[self.owner[mask]], int(chosen.sum()))


def _windows(text: str) -> Iterator[Indices]:
    hashes, starts = hash_tokens(text)
    if not len(starts):
        return
    table = features(hashes, concepts())
    begin, end = windows(len(starts))
    for index in np.unique(np.linspace(0, len(begin) - 1, _WINDOWS).astype(int)):
        yield table[:, begin[index] : end[index]]


def _from_tool(case: Case) -> bool:
    return case.role is Role.TOOL or case.source == UNDECIDABLE


def weigh(cases: Sequence[Case]) -> Floats:
    """Each source counts by the square root of its size and by its share; attacks and benign texts then balance."""
    sizes = Counter((case.source, case.attack) for case in cases)
    weight = np.array([_share(case) / np.sqrt(sizes[case.source, case.attack]) for case in cases])
    attack = np.array([case.attack for case in cases])
    for side in (attack, ~attack):
        weight[side] *= 0.5 * len(cases) / weight[side].sum()
    return weight


def _share(case: Case) -> float:
    source = case.source
    if source.startswith(WRITTEN):
        return _OWN
    if source.startswith("generated/") and not source.startswith("generated/en"):
        return _TRANSLATION
    return _SHARES.get(source, 1.0 if case.attack or source.startswith("generated/") else _PUBLIC_BENIGN)


@dataclass(frozen=True, slots=True)
class Fitted:
    """Weights by column, and bias, in the trainer's own scale."""

    weights: NDArray[np.float32]
    bias: float

    def model(self, slope: float = 1.0, middle: float = 0.0) -> InjectionModel:
        """A scorer that gives 0.5 where the log-odds are `middle`, with log-odds stretched by `slope`."""
        weights = (self.weights * slope).astype(np.float32).reshape(2, BUCKETS)
        weights[1] += weights[0]
        weights[:, WORDS:] *= _MEANING
        return InjectionModel.rounded(
            weights, (self.bias - middle) * slope, concepts(), floor=_FLOOR * slope, spread=_SPREAD * slope
        )


def fit(windows_: Windows, cases: Sequence[Case]) -> Fitted:
    """A linear model of the cases. After the first round an attack is represented by its most telling window alone."""
    attack = np.array([case.attack for case in cases])
    owner, weight = windows_.owner, weigh(cases)
    label = attack[owner]
    chosen = np.ones(len(owner), bool)
    row_weight = weight[owner] / np.where(label, np.bincount(owner, minlength=len(cases))[owner], 1)
    weights, bias = np.zeros(2 * BUCKETS, np.float32), 0.0
    for _ in range(_ROUNDS):
        model = SGDClassifier(
            loss="log_loss",
            alpha=_SHRINKAGE,
            learning_rate="constant",
            eta0=_STEP,
            max_iter=_EPOCHS,
            tol=None,
            average=True,
            random_state=1,
        )
        part = row_weight[chosen]
        model.fit(windows_.rows[chosen], label[chosen], sample_weight=part / part.mean())
        weights, bias = model.coef_[0].astype(np.float32), float(model.intercept_[0])
        logits = windows_.rows @ weights + bias
        best = np.full(len(cases), -np.inf)
        np.maximum.at(best, owner, logits)
        chosen = ~label | (logits >= best[owner])
        row_weight = weight[owner]
    return Fitted(weights, bias)

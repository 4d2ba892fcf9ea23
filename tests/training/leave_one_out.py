"""Models that never saw a source, for an honest calibration and evaluation on it."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
from sklearn.linear_model import LogisticRegression

from sidecar.inspection.evaluation import Case
from sidecar.prompt import Role
from tests.training.corpus import WRITTEN
from tests.training.fit import Fitted, Floats, Windows, fit, weigh

# Sources left out together, so that a cousin does not stand in for the one left out. Every other one is a fold of its
# own.
_RELATED: Final = (
    ("itw_jailbreak_prompts", "gptfuzz_templates", "self_reminder_jb"),
    ("garak_attacks", "giskard_injections"),
    ("benign_roleplay", "benign_actas_zh"),
)

# Kinds of benign text, and the false positives (percent, mean over the sources) that the model alone may add to each
# at the balanced point: what the whole detector may have, less what the rules add.
BUDGETS: Final = (
    (("ultrachat_200k", "ifeval", "deepset_train", "xstest", "benign_seed_tasks"), 0.5),
    (
        (
            "benign_codegen",
            "benign_gsm8k_train",
            "benign_toolformer",
            "benign_usenix_tasks",
            "bipia_train",
            "mitre_frr",
        ),
        0.25,
    ),
    (("benign_roleplay", "benign_actas_zh"), 2.0),
    (("written/about", "written/bchat", "written/own", "written/security"), 4.9),  # about injection and prompts
)
_STEP: Final = 0.01
_LEAST: Final = -20.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """From raw log-odds to published ones: `middle` becomes 0 (a score of 0.5), the rest is stretched by `slope`."""

    middle: float
    slope: float


def folds(sources: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Which sources are left out together; generated texts never are."""
    related = {source for fold in _RELATED for source in fold}
    alone = sorted({source for source in sources if not source.startswith("generated/")} - related)
    return (*_RELATED, *((source,) for source in alone))


def leave_one_out(windows: Windows, cases: Sequence[Case]) -> dict[tuple[str, ...], Fitted]:
    """For each fold a model of everything else. Prints how far it is."""
    sources = np.array([case.source for case in cases])

    def without(fold: tuple[str, ...]) -> Fitted:
        seen = ~np.isin(sources, fold)
        return fit(windows.only(seen), [case for case, keep in zip(cases, seen, strict=True) if keep])

    fitted: dict[tuple[str, ...], Fitted] = {}
    todo = folds(sources.tolist())
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:  # fitting lets go of the interpreter's lock
        for fold, one in zip(todo, pool.map(without, todo), strict=True):
            fitted[fold] = one
            print(f"left out {len(fitted)} of {len(todo)}: {', '.join(fold)}", file=sys.stderr, flush=True)
    return fitted


def calibrate(fitted: Mapping[tuple[str, ...], Fitted], cases: Sequence[Case]) -> Calibration:
    """The balanced point, and on public sources the slope of log-odds; by models that never saw the source."""
    models = {source: one.model() for fold, one in fitted.items() for source in fold}
    held = [case for case in cases if case.source in models and case.role is Role.USER]
    logits = np.array([max(models[case.source].logit(case.text), _LEAST) for case in held])
    public = np.array([not case.source.startswith(WRITTEN) for case in held])
    known = [case for case, is_public in zip(held, public, strict=True) if is_public]
    attack = np.array([case.attack for case in known])
    slope = LogisticRegression(C=1e6).fit(logits[public, None], attack, weigh(known)).coef_[0, 0]
    return Calibration(_balanced(logits, held), float(slope))


def _balanced(logits: Floats, cases: Sequence[Case]) -> float:
    """The lowest logit (in steps of 0.01) from which every kind of benign text stays within its budget."""
    benign: dict[str, list[float]] = defaultdict(list)
    for value, case in zip(logits.tolist(), cases, strict=True):
        if not case.attack:
            benign[case.source].append(value)
    by_source = {source: np.sort(values) for source, values in benign.items()}
    middle = 0.0
    for sources, percent in BUDGETS:
        while np.mean([_above(by_source[source], middle) for source in sources]) > percent:
            middle += _STEP
    return middle


def _above(values: Floats, limit: float) -> float:
    """Percent of sorted values above a limit."""
    return 100 * (1 - float(np.searchsorted(values, limit, side="right")) / len(values))

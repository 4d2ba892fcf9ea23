"""Scores of every public text from a model that never saw the text's source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np

from sidecar.inspection.evaluation import Case
from tests.training.fit import Floats, Windows, fit

# Sources left out together: related ones in one fold, so that a cousin does not stand in for the one left out.
FOLDS: Final = (
    ("deepset_train", "benign_gsm8k_train", "xstest"),
    ("itw_jailbreak_prompts", "gptfuzz_templates", "self_reminder_jb", "benign_usenix_tasks"),
    ("garak_attacks", "giskard_injections", "benign_roleplay", "mitre_frr"),
    ("hackaprompt", "ultrachat_200k"),
    ("fastly_edge_cases", "llm_guardrails_bench", "benign_codegen", "benign_seed_tasks", "bipia_train"),
    ("ifeval", "benign_toolformer", "benign_actas_zh"),
)

# Kinds of benign text, and the false positives (percent, mean over the sources) that the model alone may add to each
# at the balanced point: about half of what the whole detector may have.
BUDGETS: Final = (
    (("ultrachat_200k", "deepset_train", "xstest", "benign_seed_tasks"), 0.5),
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
    (("benign_roleplay", "benign_actas_zh"), 1.5),
)
_STEP: Final = 0.01
_LEAST: Final = -20.0


def held_out_logits(windows: Windows, cases: Sequence[Case]) -> Floats:
    """One logit a case; nan for the generated ones, which are no evidence."""
    sources = np.array([case.source for case in cases])
    logits = np.full(len(cases), np.nan)
    for fold in FOLDS:
        held = np.isin(sources, fold)
        model = fit(windows.only(~held), [case for case, out in zip(cases, held, strict=True) if not out]).model()
        for index in np.flatnonzero(held).tolist():
            logits[index] = max(model.logit(cases[index].text), _LEAST)
    return logits


def balanced_logit(logits: Floats, cases: Sequence[Case]) -> float:
    """The lowest logit (in steps of 0.01) from which every kind of benign text stays within its budget."""
    benign: dict[str, list[float]] = defaultdict(list)
    for value, case in zip(logits, cases, strict=True):
        if not case.attack and not np.isnan(value):
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

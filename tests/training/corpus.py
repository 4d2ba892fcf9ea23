"""The texts that the model learns from: public sources, with what their collectors added cut away, and our own."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from sidecar.inspection.evaluation import Case, read

# Plain tasks inside documents override nothing: no cheap text method can tell them from the reader's own tasks.
UNDECIDABLE: Final = "bipia_train"
WRITTEN: Final = "written/"
_WRITTEN: Final = Path(__file__).parent / "written"
_MISLABELLED: Final = ("benign_actas_zh", re.compile(r"\bDAN\b|道德和法律限制"))  # jailbreaks among role-play prompts
_SHARED_LINE: Final = 0.02  # a line that this share of a source's attacks repeats is the operator's template


def written() -> tuple[Case, ...]:
    """Texts written for this project, nearly all by language models that had not seen it, each file by another author:
    `source` is `written/<author>`."""
    return tuple(
        replace(case, text=unicodedata.normalize("NFKC", case.text), source=f"{WRITTEN}{case.source}")
        for case in read(_WRITTEN)
    )


def load(folder: Path) -> tuple[Case, ...]:
    """Every decidable case under `folder`/{train,dev}, without exact duplicates and operators' templates."""
    by_source: dict[str, dict[str, Case]] = defaultdict(dict)
    for part in ("train", "dev"):
        for case in read(folder / part):
            wrong = case.source == _MISLABELLED[0] and _MISLABELLED[1].search(case.text)
            if not wrong and not (case.attack and case.source == UNDECIDABLE):
                text = unicodedata.normalize("NFKC", case.text)
                by_source[case.source].setdefault(text, replace(case, text=text))
    return tuple(case for cases in by_source.values() for case in _without_templates(list(cases.values())))


def _without_templates(cases: Sequence[Case]) -> Iterator[Case]:
    """Only for attacks: a wrapper that all attacks of a source share would become the sign of an attack."""
    attacks = [case for case in cases if case.attack]
    counts = Counter(line for case in attacks for line in set(case.text.split("\n")))
    shared = {line for line, count in counts.items() if count > max(20, _SHARED_LINE * len(attacks))}
    for case in cases:
        if not case.attack:
            yield case
        elif text := "\n".join(line for line in case.text.split("\n") if line not in shared).strip():
            yield replace(case, text=text)

"""Accuracy tables of an injection detector over folders of labelled texts."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sidecar.errors import ConfigurationError
from sidecar.inspection.disguises import DISGUISES
from sidecar.inspection.fusion import threshold_of
from sidecar.inspection.injection import InjectionInspector
from sidecar.prompt import Prompt, Role, Segment

_BUNDLE: Final = "hackaprompt_ultrachat_ifeval"
_DISGUISED: Final = 200  # attacks and as many benign texts are put through every disguise
_FAMILIES: Final = 25
_SHORT: Final = 400  # characters; a disguise is what somebody types, not a book in base64


@dataclass(frozen=True, slots=True)
class Case:
    """One labelled text. `source` is where it was collected, `family` what kind of attack or benign text it is, `role`
    whose text it would be."""

    text: str
    attack: bool
    source: str
    family: str
    language: str
    role: Role = Role.USER


@dataclass(frozen=True, slots=True)
class Rate:
    """`hits` of `total` texts reached the threshold."""

    hits: int
    total: int

    @property
    def share(self) -> float:
        """0..1; 0 of nothing is 0."""
        return self.hits / self.total if self.total else 0.0

    def __str__(self) -> str:
        return f"{100 * self.share:5.1f} %  {self.hits:5d} of {self.total}"


def read(folder: Path) -> tuple[Case, ...]:
    """Every case of the `.jsonl` files under a folder: objects with `text` and `label` (`attack` or `benign`), and
    perhaps `kind`, `lang` and `role` (`user` or `tool`).

    Raises ConfigurationError, naming file and line, when there is none or one cannot be read.
    """
    cases = tuple(case for path in sorted(folder.rglob("*.jsonl")) for case in _read(path))
    if not cases:
        raise ConfigurationError(str(folder), "", "no .jsonl file with labelled texts")
    return cases


def _read(path: Path) -> Iterator[Case]:
    try:
        lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(str(path), "", str(error)) from error
    for number, line in enumerate(lines, 1):
        try:
            yield _case(json.loads(line), path.stem)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            fix = 'each line is {"text": "...", "label": "attack" or "benign"}'
            raise ConfigurationError(str(path), f"line {number}", repr(error), fix) from error


def _case(row: dict[str, object], file: str) -> Case:
    text, label, kind = row["text"], row["label"], str(row.get("kind", ""))
    if not isinstance(text, str):
        raise TypeError("text is not a string")
    if label not in {"attack", "benign"}:
        raise ValueError(f"label is {label!r}")
    role = Role(str(row.get("role", "user")))
    return Case(text, label == "attack", _source(file, kind), kind, str(row.get("lang", "")), role)


def _source(file: str, kind: str) -> str:
    """One public bundle joins an attack collection and two benign ones, which its `kind` names."""
    return kind.rpartition("|")[2].lower() if file == _BUNDLE else file


def judge(inspector: InjectionInspector, text: str, role: Role = Role.USER) -> float:
    """The score of one text, as if it were all of a prompt."""
    return inspector.score(Prompt(api="evaluation", model=None, segments=(Segment(role, text, "text"),)))


def evaluate(folder: Path, inspector: InjectionInspector, threshold: float) -> str:
    """Every table for the labelled texts of a folder. Raises ConfigurationError like `read`."""
    cases = read(folder)
    scores = [judge(inspector, case.text, case.role) for case in cases]
    disguises = report_disguises(cases, lambda text: judge(inspector, text), threshold)
    return f"{report(cases, scores, threshold)}\n\n{disguises}"


def report(cases: Sequence[Case], scores: Sequence[float], threshold: float, *, families: bool = True) -> str:
    """False positives of benign texts and recall of attacks by source, and what is missed by family. `threshold` is
    that of user text."""
    benign, attack = _count(cases, scores, threshold, lambda case: case.source)
    lines = [f"At threshold {threshold}:", "", f"{'source':34}{'false positives':28}recall"]
    lines += [
        f"{source:34}{_cell(benign.get(source)):28}{_cell(attack.get(source))}".rstrip()
        for source in sorted(benign.keys() | attack.keys())
    ]
    _, by_family = _count(cases, scores, threshold, lambda case: f"{case.source}: {case.family}"[:60])
    missed = {
        name: Rate(all_.total - all_.hits, all_.total) for name, all_ in by_family.items() if all_.hits < all_.total
    }
    if families and missed:
        lines += ["", f"{'attacks missed, by family':62}missed"]
        worst = sorted(missed.items(), key=lambda item: (-item[1].hits, item[0]))
        lines += [f"{name:62}{rate}" for name, rate in worst[:_FAMILIES]]
    return "\n".join(lines)


def report_disguises(cases: Sequence[Case], score: Callable[[str], float], threshold: float) -> str:
    """What a disguise hides: recall of attacks that are caught in plain text, and false alarms of benign twins."""
    short = [case for case in cases if len(case.text) <= _SHORT]
    plain = [case.text for case in short if case.attack and score(case.text) >= threshold]
    attacks = plain[:: max(1, len(plain) // _DISGUISED)][:_DISGUISED]
    twins = [case.text for case in short if not case.attack and case.text.isascii()]
    twins = twins[:: max(1, len(twins) // _DISGUISED)][:_DISGUISED]
    lines = [f"{'disguise':22}{'of plain recall':28}benign twins denied"]
    for name, disguise in DISGUISES:
        caught = Rate(sum(score(disguise(text)) >= threshold for text in attacks), len(attacks))
        alarms = Rate(sum(score(disguise(text)) >= threshold for text in twins), len(twins))
        lines.append(f"{name:22}{caught!s:28}{alarms}")
    return "\n".join(lines)


def _cell(rate: Rate | None) -> str:
    return str(rate) if rate else ""


def _count(
    cases: Sequence[Case], scores: Sequence[float], threshold: float, key: Callable[[Case], str]
) -> tuple[dict[str, Rate], dict[str, Rate]]:
    totals: tuple[dict[str, list[int]], dict[str, list[int]]] = (defaultdict(list), defaultdict(list))
    for case, value in zip(cases, scores, strict=True):
        totals[case.attack][key(case)].append(value >= threshold_of(threshold, case.role))
    benign, attack = ({name: Rate(sum(hits), len(hits)) for name, hits in table.items()} for table in totals)
    return benign, attack

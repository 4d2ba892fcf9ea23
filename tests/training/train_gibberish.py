"""`python -m tests.training.train_gibberish DATA [--code FOLDER]`: fit the model of token soup, and say how good it is.

Sources of benign text and kinds of suffixes are left out in turn; the threshold is set, and every figure is counted,
on texts of which neither the source nor the kind was seen in training. The artefact is then fitted on everything.
"""

from __future__ import annotations

import argparse
import random
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from sidecar.inspection.evaluation import Rate
from sidecar.inspection.model.gibberish import GibberishModel
from tests.training.gibberish_fit import Attack, attacks, fit, fit_gate
from tests.training.gibberish_suffixes import KINDS, Pieces, suffixes
from tests.training.gibberish_texts import Text, load

ARTEFACT: Final = Path(__file__).parents[2] / "sidecar/inspection/model/gibberish.npz"
PUBLISHED: Final = Path(__file__).parents[1] / "testdata/suffixes.txt"
_SEED: Final = 1
_EACH: Final = 2500  # suffixes of each kind
_FOLDS: Final = 5
_RELATED: Final = (
    ("record/keywords", "chat/stems", "chat/lists", "chat/authors", "record/csv", "record/table"),
    ("record/json", "record/yaml", "record/json_escaped", "record/html_escaped", "record/xml", "record/logs"),
    ("record/minified", "record/minified_js", "record/one_line", "record/camel", "record/shell", "record/sql"),
    ("record/hex", "record/base64", "record/ids", "record/urls", "record/percent", "record/passwords", "chat/spaced"),
    ("record/latex", "record/reactions", "record/smiles", "record/sequences", "record/regex", "record/assembly"),
)
"""Sources that are left out together: one would stand in for the other."""
_BUDGET: Final = 0.002  # false positives in each group of sources
_MADE: Final = ("record/", "chat/")
"""Sources made up for training: they count where they have been seen; left out, only what people wrote does."""
_REQUEST: Final = "Write a poem about the sea in autumn"
_STEP: Final = 0.05
_FORGIVEN: Final = 2
_SPARE: Final = 0.3  # log-odds for sources that nobody thought of

Scores = Mapping[str, Sequence[float]]


def main() -> None:
    """Print the tables and write the artefact."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with train/ and dev/ of labelled .jsonl")
    parser.add_argument(
        "--code", type=Path, nargs="*", default=[], help="folders of examples, a folder a language each"
    )
    parser.add_argument("--output", type=Path, default=ARTEFACT, help="where the artefact goes")
    arguments = parser.parse_args()
    texts = load(arguments.data, arguments.code)
    found = _attacks(texts)
    print(f"{len(texts)} texts, {len(found)} suffixes", flush=True)
    alarms, recall = _left_out(texts, found)
    model = fit(texts, found, fit_gate(texts, found))
    threshold = _threshold(_groups(_scores(model, texts)), start=_threshold(_wholes(alarms))) + _SPARE
    print(_tables(alarms, recall, threshold), flush=True)
    model = model.shifted(-threshold)
    model.save(arguments.output)
    shipped = GibberishModel.load(arguments.output)
    for name, values in _groups(_scores(shipped, texts)).items():
        if over := sum(value >= 0 for value in values):
            print(f"seen in training: {name:34}{Rate(over, len(values))}")
    fresh: dict[str, list[float]] = defaultdict(list)
    for attack in _attacks(texts, seed=_SEED + 1):
        fresh[attack.kind].append(shipped.logit(attack.text))
    for kind, values in fresh.items():
        print(f"kind seen, suffixes new: {kind:27}{_rate(values, 0)}")
    published = [line for line in PUBLISHED.read_text("utf-8").split("\n") if line and not line.startswith("# ")]
    caught = sum(shipped.logit(f"{_REQUEST} {line}") >= 0 for line in published)
    print(f"published suffixes, none seen in training: {Rate(caught, len(published))}")
    print(f"{arguments.output}: {arguments.output.stat().st_size / 1e3:.0f} kB")


def _attacks(texts: Sequence[Text], seed: int = _SEED) -> list[Attack]:
    """Suffixes made of pieces of `texts`, behind requests among them."""
    code = [text.text for text in texts if text.source.startswith(("code/", "own/"))]
    prose = [text.text for text in texts if not text.source.startswith(("code/", "own/", "record/"))]
    return attacks(list(suffixes(Pieces(prose, code), prose, _EACH, random.Random(seed))), prose)


def _scores(model: GibberishModel, texts: Sequence[Text]) -> dict[str, list[float]]:
    scores: dict[str, list[float]] = defaultdict(list)
    for text in texts:
        scores[text.source].append(model.logit(text.text))
    return scores


def _left_out(texts: Sequence[Text], found: Sequence[Attack]) -> tuple[Scores, Scores]:
    """Log-odds of every text and every attack, by source and kind, from a model that saw neither."""
    alarms: dict[str, list[float]] = defaultdict(list)
    recall: dict[str, list[float]] = defaultdict(list)
    kinds = list(KINDS)
    for number in range(_FOLDS):
        held = {kind for index, kind in enumerate(kinds) if index % _FOLDS == number}
        seen = [text for text in texts if _fold(text.source) != number]
        known = [attack for attack in _attacks(seen) if attack.kind not in held]
        model = fit(seen, known, fit_gate(seen, known))
        alarms |= _scores(model, [text for text in texts if _fold(text.source) == number])
        for attack in found:
            if attack.kind in held:
                recall[attack.kind].append(model.logit(attack.text))
        print(f"fold {number + 1} of {_FOLDS} fitted", flush=True)
    return alarms, recall


def _fold(source: str) -> int:
    for number, related in enumerate(_RELATED):
        if source in related:
            return number
    return zlib.crc32(source.encode()) % _FOLDS


def _groups(alarms: Scores) -> dict[str, list[float]]:
    """Scores of each public source and each kind of record; languages and code as wholes, which have few texts each."""
    groups: dict[str, list[float]] = defaultdict(list)
    for source, values in alarms.items():
        whole = source.partition("/")[0]
        groups[whole if whole in {"code", "families", "own"} else source] += values
    return groups


def _wholes(alarms: Scores) -> dict[str, list[float]]:
    """Scores of prompts, code and languages that people wrote: left out, most single sources are too small to judge."""
    wholes: dict[str, list[float]] = defaultdict(list)
    for source, values in _groups(alarms).items():
        if not source.startswith(_MADE):
            wholes[source if source in {"code", "families", "own"} else "prompts"] += values
    return wholes


def _threshold(groups: Scores, start: float = 0.0) -> float:
    """The lowest log-odds, in steps from `start`, at which every group stays within its budget."""
    while any(_share(values, start) > _BUDGET for values in groups.values()):
        start += _STEP
    return start


def _share(values: Sequence[float], threshold: float) -> float:
    """Share of texts over the threshold. Two are forgiven: small sources have fewer than 500, and hold near-twins."""
    return max(0, sum(value >= threshold for value in values) - _FORGIVEN) / len(values)


def _tables(alarms: Scores, recall: Scores, threshold: float) -> str:
    lines = [f"threshold at log-odds {threshold:.2f}", "", f"{'left-out benign source':34}refused"]
    for source, values in sorted(_groups(alarms).items()):
        lines.append(f"{source:34}{_rate(values, threshold)}")
    lines.append(f"{'all':34}{_rate([one for values in alarms.values() for one in values], threshold)}")
    lines += ["", f"{'left-out kind of suffix':34}caught"]
    lines += [f"{kind:34}{_rate(values, threshold)}" for kind, values in recall.items()]
    lines.append(f"{'all':34}{_rate([one for values in recall.values() for one in values], threshold)}")
    return "\n".join(lines)


def _rate(values: Sequence[float], threshold: float) -> Rate:
    return Rate(sum(value >= threshold for value in values), len(values))


if __name__ == "__main__":
    main()

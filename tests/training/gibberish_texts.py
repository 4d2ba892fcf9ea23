"""Readable and machine-made texts that are no token soup: public prompts, code in 500 languages, generated records."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sidecar.inspection.evaluation import read
from tests.training.generate import generate
from tests.training.gibberish_records import CHANGES, CHATS, mixed, records

_SEED: Final = 11
_MOST: Final = 1000  # texts of one source
_MOST_FAMILIES: Final = 250  # of one language
_GENERATED: Final = 400  # texts of one kind of record
_EXCERPTS: Final = 40  # of one file
_LARGEST: Final = 400_000  # characters of one file that are looked at
_PROJECT: Final = Path(__file__).parents[2]
_NOT_LATIN: Final = ("ar", "hi", "ja", "ko", "ru", "uk", "zh")
_HARDEST: Final = {"keywords", "stems", "authors", "spaced", "repeated"}  # nearest to soup of all
_SUFFIXES: Final = {".py", ".yaml", ".md", ".lua", ".proto"}
_OWN: Final = ("sidecar", "tests", "protos", "envoy", "k8s")


@dataclass(frozen=True, slots=True)
class Text:
    """One benign text, and where it is from."""

    text: str
    source: str


def load(data: Path, code: Sequence[Path]) -> list[Text]:
    """Every benign text: those labelled in `data`, excerpts of the files in `code`, the project's own, generated ones.

    Each folder of `code` has a folder for each language; files called `*.output` are left out.
    """
    rng = random.Random(_SEED)
    by_source: dict[str, list[str]] = defaultdict(list)
    for case in (*read(data / "train"), *read(data / "dev")):
        if not case.attack:
            by_source[case.source].append(case.text)
    for case in generate():
        by_source[f"families/{case.language}"].append(case.text)
    prose = [*by_source["ultrachat_200k"], *by_source["benign_roleplay"]]
    written: list[str] = []
    for source, path in (*_own(), *_examples(code)):
        found = list(excerpts(path, rng))
        by_source[source] += found
        written += found
    for kind, made in records(_GENERATED, rng).items():
        by_source[f"record/{kind}"] = made
    for group, changes, origin in (("record", CHANGES, written), ("chat", CHATS, prose)):
        for name, change in changes.items():
            count = _GENERATED * (3 if name in _HARDEST else 1)
            by_source[f"{group}/{name}"] = [change(rng.choice(origin), rng) for _ in range(count)]
    abroad = [text for language in _NOT_LATIN for text in by_source[f"families/{language}"]]
    by_source["chat/mixed"] = [mixed(rng.choice(abroad), rng.choice(written), rng) for _ in range(_GENERATED)]
    texts: list[Text] = []
    for source, found in by_source.items():
        most = _MOST_FAMILIES if source.startswith("families/") else _MOST
        texts += (Text(text, source) for text in (rng.sample(found, most) if len(found) > most else found))
    return texts


def _own() -> Iterator[tuple[str, Path]]:
    """The project's own files, but for those about token soup."""
    for path in sorted(path for folder in _OWN for path in (_PROJECT / folder).rglob("*")):
        if path.suffix in _SUFFIXES and not {"_pb", "testdata"} & {*path.parts} and "gibberish" not in path.stem:
            yield f"own/{path.suffix[1:]}", path


def _examples(folders: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    for language in sorted(path for folder in folders for path in folder.iterdir() if path.is_dir()):
        for path in sorted(language.rglob("*")):
            if path.is_file() and path.suffix != ".output":
                yield f"code/{language.name}", path


def excerpts(path: Path, rng: random.Random) -> Iterator[str]:
    """Runs of whole lines, at most 1,500 characters each."""
    try:
        whole = path.read_text(encoding="utf-8")[:_LARGEST]
    except (OSError, UnicodeDecodeError):
        return
    whole = whole.partition("---tokens---")[0].removeprefix("---input---\n")
    lines = whole.split("\n")
    for _ in range(min(_EXCERPTS, 1 + len(whole) // 1500)):
        size = rng.randint(150, 1500)
        at = rng.randrange(len(lines)) if len(whole) > size else 0
        text = "\n".join(lines[at:])[:size].strip()
        if len(text) > 20:
            yield text

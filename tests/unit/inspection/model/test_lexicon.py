"""The dictionary that the model is trained with."""

from __future__ import annotations

import pytest

from sidecar.inspection.characters import clean
from sidecar.inspection.model.tokens import grams, hash_tokens
from tests.training.lexicon import concepts, entries


def concept(text: str) -> int:
    hashes, _ = hash_tokens(clean(text)[0])
    return int(concepts().find(hashes, grams(hashes[0])[1:])[-1])


@pytest.mark.parametrize(
    "word", ["vergiss", "oublie", "olvida", "dimentica", "забудь", "忘记", "忘れて", "잊어", "unut", "melupakan"]
)
def test_a_word_means_the_same_in_every_language(word: str) -> None:
    assert concept(word) == concept("forget") > 0


def test_other_languages_name_no_concept_that_english_lacks_and_every_entry_is_found() -> None:
    names: dict[str, int] = {}
    for name, _ in entries():
        names.setdefault(name, len(names) + 1)
    assert len(names) == 61
    lost = [entry for _, entry in entries() if not entry.endswith("*") and not concept(entry)]
    assert len(lost) < 0.02 * sum(1 for _ in entries())

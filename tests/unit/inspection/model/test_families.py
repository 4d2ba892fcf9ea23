"""The grammar of the training families, and what it generates."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tests.training.generate import generate
from tests.training.grammar import expand

SLOTS = {"verb": ["ignore", "forget"], "rule": ["{verb} it"], "loop": ["{loop}"]}


@pytest.mark.parametrize(
    ("template", "texts"),
    [
        ("plain", {"plain"}),
        ("{verb} all", {"ignore all", "forget all"}),
        ("a{b|}c", {"abc", "ac"}),
        ("{verb|x}", {"ignore", "forget", "x"}),
        ("{rule}", {"ignore it", "forget it"}),
        ("{x {verb}|y}", {"x ignore", "x forget", "y"}),
        ("{{verb}} }", {"{verb} }"}),
    ],
)
def test_template_expands_to_every_choice(template: str, texts: set[str]) -> None:
    assert {expand(template, SLOTS, random.Random(seed)) for seed in range(60)} == texts


@pytest.mark.parametrize(
    ("template", "error"), [("{nobody}", KeyError), ("{open", ValueError), ("{loop}", RecursionError)]
)
def test_faulty_template_is_refused(template: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        expand(template, SLOTS, random.Random(1))


def test_generated_texts_are_the_same_on_every_run_and_cover_attacks_and_twins_of_every_language() -> None:
    cases = list(generate())
    assert cases == list(generate())
    count = Counter((case.language, case.attack) for case in cases)
    assert {language for language, _ in count} >= {
        "en",
        "de",
        "fr",
        "es",
        "it",
        "pt",
        "ru",
        "zh",
        "ja",
        "ko",
        "ar",
        "hi",
    }
    assert min(count.values()) > 100

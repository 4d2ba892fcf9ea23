"""The models in C and in numpy: one answer. Without a compiler there is nothing to compare."""

from __future__ import annotations

import random
import shutil
import string
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.inspection.model import InjectionModel, compiled
from sidecar.inspection.model.gibberish import GibberishModel
from sidecar.prompt import Role
from tests.training.corpus import written

CAN_COMPILE = shutil.which("cc") is not None and (Path(sysconfig.get_path("include")) / "Python.h").exists()
pytestmark = pytest.mark.skipif(not compiled.COMPILED and not CAN_COMPILE, reason="installed without a C compiler")
TEXTS = [case.text for case in written()][::40]
WORDS = st.sampled_from(" ".join(TEXTS).split()) | st.text(st.characters(), max_size=12)
SENTENCES = st.lists(WORDS, max_size=120).map(" ".join)
ANY = st.text(st.characters(), max_size=300) | SENTENCES
SOUP = st.lists(st.sampled_from(string.printable), max_size=400).map("".join) | ANY


@pytest.fixture(scope="module", name="numpy_alone")
def _numpy_alone() -> Iterator[tuple[InjectionModel, GibberishModel]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "COMPILED", False)
        yield InjectionModel.load(), GibberishModel.load()


INJECTION, GIBBERISH = InjectionModel.load(), GibberishModel.load()


def test_a_compiler_was_used() -> None:
    assert compiled.COMPILED


@given(ANY, st.sampled_from(Role))
def test_injection_is_the_same(numpy_alone: tuple[InjectionModel, GibberishModel], text: str, role: Role) -> None:
    one, other = INJECTION.locate(text, role), numpy_alone[0].locate(text, role)
    assert one.score == pytest.approx(other.score)
    assert (one.start, one.end, one.doubtful) == (other.start, other.end, other.doubtful)
    assert INJECTION.logit(text, role) == pytest.approx(numpy_alone[0].logit(text, role))


@given(SOUP)
def test_gibberish_is_the_same(numpy_alone: tuple[InjectionModel, GibberishModel], text: str) -> None:
    one, other = GIBBERISH.locate(text), numpy_alone[1].locate(text)
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert one.score == pytest.approx(other.score)
        assert (one.start, one.end) == (other.start, other.end)


@settings(max_examples=20)
@given(st.randoms(use_true_random=False), st.sampled_from(("", "\u4e00", "x" * 40_000)))
def test_long_texts_are_the_same(
    numpy_alone: tuple[InjectionModel, GibberishModel], chance: random.Random, other: str
) -> None:
    """Beyond the chunks of either."""
    signs = "".join(chance.choices(string.printable, k=chance.randrange(2000)))
    text = other + " ".join(chance.choices(TEXTS, k=200)) + signs
    first, second = INJECTION.locate(text), numpy_alone[0].locate(text)
    assert first.score == pytest.approx(second.score)
    assert (first.start, first.end, first.doubtful) == (second.start, second.end, second.doubtful)
    third, fourth = GIBBERISH.locate(text), numpy_alone[1].locate(text)
    assert third is not None
    assert fourth is not None
    assert third.score == pytest.approx(fourth.score)
    assert (third.start, third.end) == (fourth.start, fourth.end)


@pytest.mark.parametrize("argument", [b"bytes", None, 3])
def test_other_types_are_refused(argument: object) -> None:
    with pytest.raises(TypeError):
        INJECTION.locate(argument)  # type: ignore[arg-type]

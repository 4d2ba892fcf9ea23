"""Characters are folded as a reader sees them, and every place can be found again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.inspection.characters import clean
from sidecar.inspection.normalise import normalise


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("ign\u200bore\u2060 this\ufeff", "ignore this"),
        ("ｉｇｎｏｒｅ", "ignore"),
        ("𝐢𝐠𝐧𝐨𝐫𝐞 𝔦𝔤𝔫𝔬𝔯𝔢", "ignore ignore"),
        ("ɪɢɴᴏʀᴇ", "iGNORE".lower()),
        ("🅸🅶🅽🅾🆁🅴", "IGNORE"),
        ("i\u0336g\u0336n\u0336o\u0336r\u0336e\u0336", "ignore"),
        ("Íg̃nöré", "Ignore"),
        ("іgnоrе аll", "ignore all"),
        ("ѕау", "say"),
        ("\u202eignore\u202c", "ignore"),
        ("ignore\u00a0all\u3000of", "ignore all of"),
        ("⠊⠛⠝⠕⠗⠑", "ignore"),
        ("a\ud800b", "a b"),
        ("Привет, как дела?", "Привет, как дела?"),
        ("Καλημέρα κόσμε", "Καλημερα κοσμε"),
        ("忽略指令", "忽略指令"),
        ("naïve café", "naive cafe"),
    ],
)
def test_text_is_folded_as_a_reader_sees_it(text: str, cleaned: str) -> None:
    assert clean(text)[0].lower() == cleaned.lower()


@given(st.text(max_size=300))
def test_cleaning_never_fails_and_is_stable(text: str) -> None:
    once, _ = clean(text)
    assert "\u200b" not in once
    once.encode()


@given(st.text(max_size=200), st.integers(0, 400), st.integers(0, 400))
def test_every_place_of_a_view_has_a_place_in_the_text(text: str, first: int, second: int) -> None:
    for view in normalise(text):
        low, high = sorted((min(first, len(view.text)), min(second, len(view.text))))
        start, end = view.locate(low, high)
        assert 0 <= start <= end <= len(text)


def test_a_place_is_found_behind_hidden_characters() -> None:
    text = "a\u200b\u200bb ign\u200bore c"
    view = normalise(text)[0]
    start = view.text.index("ignore")
    low, high = view.locate(start, start + 6)
    assert text[low:high] == "ign\u200bore"

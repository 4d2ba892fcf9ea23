from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.authentication.api_keys import text


@given(st.from_regex(r"[a-z][a-z0-9]{0,15}", fullmatch=True))
def test_generated_key_parses_back(environment: str) -> None:
    key_id, key = text.generate(environment)
    assert text.parse(key) == text.KeyText(environment, key_id)
    assert len(key) <= text.LONGEST


_, KEY = text.generate("live")


@given(st.integers(0, len(KEY) - 1), st.sampled_from("0Aa_-. é\x00"))
def test_any_single_wrong_character_is_found_without_a_lookup(place: int, other: str) -> None:
    mistyped = KEY[:place] + other + KEY[place + 1 :]
    assert (text.parse(mistyped) is None) == (mistyped != KEY)


@given(st.text(max_size=200))
def test_other_text_is_no_key(other: str) -> None:
    assert text.parse(other) is None


@given(st.binary(min_size=32, max_size=32))
def test_base62_is_injective_at_full_width(data: bytes) -> None:
    number = int.from_bytes(data)
    digits = text.base62(number, 43)
    assert len(digits) == 43
    back = 0
    for digit in digits:
        back = back * 62 + "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".index(digit)
    assert back == number


def test_keys_differ() -> None:
    assert len({text.generate("live")[1] for _ in range(100)}) == 100


@pytest.mark.parametrize("tail", ["\n", " ", "\x00", "_"])
def test_nothing_may_follow_a_key(tail: str) -> None:
    assert text.parse(text.generate("live")[1] + tail) is None

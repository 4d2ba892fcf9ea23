"""YAML is read strictly, and a fault says where it is."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import ConfigurationError
from sidecar.yaml_loader import load_yaml, read_yaml

BOMB = "a: &a [x]\n" + "\n".join(f"k{i}: *a" for i in range(65))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\na: 2\n", "line 2: doubled key 'a'"),
        ("a: {b: 1, b: 2}\n", "doubled key 'b'"),
        ("a: [", "line 1"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        ("a: &a {b: 1}\nc: {<<: *a}", "line 2: merge keys"),
        (BOMB, "more than 64 aliases"),
        ("[" * 5000, "not valid YAML"),
    ],
)
def test_a_faulty_file_is_refused_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_yaml(text, "config.yaml")
    assert "config.yaml" in str(refused.value)
    assert problem in str(refused.value)


@given(st.text(max_size=80))
def test_any_text_is_a_document_or_a_refusal(text: str) -> None:
    with contextlib.suppress(ConfigurationError):
        load_yaml(text, "x")


def test_an_unreadable_file_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"missing\.yaml: can't be read"):
        read_yaml(tmp_path / "missing.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        read_yaml(tmp_path / "latin.yaml")

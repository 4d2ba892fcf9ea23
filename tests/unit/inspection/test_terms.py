"""Terms of a team's own list, in any script and spelling."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import ConfigurationError
from sidecar.inspection.finding import Finding
from sidecar.inspection.terms import TermsInspector, TermsSettings
from sidecar.prompt import Prompt, Role, Segment

TERMS = """\ufeff# what we do not talk about
Blue Falcon
ass
Straße
étron
проект
机密
極秘ファイル
비밀
ความลับ
كلب
sch\u00f6n
"""


@pytest.fixture(scope="module")
def inspector(tmp_path_factory: pytest.TempPathFactory) -> TermsInspector:
    file = tmp_path_factory.mktemp("terms") / "terms.txt"
    file.write_text(TERMS, "utf-8")
    return TermsInspector(TermsSettings(kind="terms", file=file, name="internal"))


def search(inspector: TermsInspector, text: str, role: Role = Role.USER) -> list[Finding]:
    prompt = Prompt(api="test", model=None, segments=(Segment(role, text, ""),))
    return list(inspector.inspect(prompt))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("blue falcon", "blue falcon"),
        ("About BLUE FALCON, please", "BLUE FALCON"),
        ("blue\nfalcon", "blue\nfalcon"),
        ("blue-falcon!", "blue-falcon"),
        ("you ass", "ass"),
        ("(ass)", "ass"),
        ("in der Strasse dort", "Strasse"),
        ("STRASSE", "STRASSE"),
        ("die straße", "straße"),
        ("un étron", "étron"),
        ("un e\u0301tron la", "e\u0301tron"),
        ("ÉTRON", "ÉTRON"),
        ("Этот ПРОЕКТ важен", "ПРОЕКТ"),
        ("这是机密文件", "机密"),
        ("これは極秘ファイルです", "極秘ファイル"),
        ("これは極秘\uff8c\uff67\uff72\uff99です", "極秘\uff8c\uff67\uff72\uff99"),
        ("그 비밀은 무엇", "비밀"),
        ("นี่คือความลับของเรา", "ความลับ"),
        ("هذا كلب كبير", "كلب"),
        ("bl\u200bue fal\u00adcon", "bl\u200bue fal\u00adcon"),
        ("\uff42\uff4c\uff55\uff45 falcon", "\uff42\uff4c\uff55\uff45 falcon"),
        ("sch\u00f6n", "sch\u00f6n"),
        ("그 \u1107\u1175\u1106\u1175\u11af은", "\u1107\u1175\u1106\u1175\u11af"),
        (" \n\t ..blue  --  falcon", "blue  --  falcon"),
    ],
)
def test_a_term_is_found_and_located(inspector: TermsInspector, text: str, place: str) -> None:
    (finding,) = search(inspector, text)
    assert finding.rule == "terms.internal"
    assert text[finding.start : finding.end] == place


@pytest.mark.parametrize(
    "text",
    [
        "",
        "class pass bass",
        "assess",
        "blue falcons",
        "blue, large falcon",
        "проекты",
        "etron",
        "schon",
        "机 密封",
        "대비밀번호",
    ],
)
def test_parts_of_other_words_are_not_found(inspector: TermsInspector, text: str) -> None:
    assert search(inspector, text) == []


def test_operator_text_is_not_searched_by_default(inspector: TermsInspector) -> None:
    assert search(inspector, "ass", Role.SYSTEM) == []
    assert search(inspector, "ass", Role.TOOL) != []


def test_a_finding_names_the_list_and_never_the_term(inspector: TermsInspector) -> None:
    (finding,) = search(inspector, "blue falcon")
    assert "falcon" not in repr(finding)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "holds no terms"),
        (b"# only a comment\n\n...\n", "holds no terms"),
        (b"good\nb\xffd\n", "is not UTF-8 at byte 6"),
        (b"x" * (4 << 20) + b"x", "is larger than 4 MiB"),
    ],
)
def test_an_unusable_list_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    file = tmp_path / "terms.txt"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=problem):
        TermsInspector(TermsSettings(kind="terms", file=file))


def test_a_missing_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        TermsInspector(TermsSettings(kind="terms", file=tmp_path / "none.txt"))


def test_a_long_list_of_like_terms_compiles(tmp_path: Path) -> None:
    file = tmp_path / "terms.txt"
    file.write_text("\n".join(f"internal project {number}" for number in range(20_000)), "utf-8")
    inspector = TermsInspector(TermsSettings(kind="terms", file=file))
    assert len(search(inspector, "about Internal Project 19999 and internal project 20000")) == 1


@given(before=st.text(max_size=20), after=st.text(max_size=20))
def test_a_term_between_spaces_is_found_in_any_text(inspector: TermsInspector, before: str, after: str) -> None:
    text = f"{before} blue falcon {after}"
    places = [text[finding.start : finding.end] for finding in search(inspector, text)]
    assert any("blue falcon" in place for place in places)

"""Gibberish: adversarial suffixes are found where they stand; what people and machines write is let through."""

from __future__ import annotations

import base64
import json
import random
import time
import uuid
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import sidecar.inspection.model as model_package
from sidecar.errors import ConfigurationError
from sidecar.inspection.finding import Action, Finding
from sidecar.inspection.gibberish import GibberishInspector, GibberishSettings
from sidecar.inspection.model.gibberish import GibberishModel
from sidecar.inspection.model.soup import BITS, ROWS, Soup
from sidecar.prompt import Prompt, Role, Segment

DATA = Path(__file__).parents[2] / "testdata"
MODEL = GibberishModel.load()
# Data, and inert: what others published, without the requests that it was made for.
PUBLISHED = [
    line for line in (DATA / "suffixes.txt").read_text("utf-8").split("\n") if line and not line.startswith("# ")
]
GCG = PUBLISHED[0]
REQUEST = "Write a short poem about the sea in autumn."
PAGE = "The committee met on Tuesday and talked about the harvest, the weather and the new bridge. " * 40


@pytest.fixture(scope="module")
def inspector() -> GibberishInspector:
    return GibberishInspector(GibberishSettings(kind="gibberish"))


def findings(inspector: GibberishInspector, text: str, role: Role = Role.USER) -> list[Finding]:
    return list(inspector.inspect(Prompt(api="test", model=None, segments=(Segment(role, text, ""),))))


@pytest.mark.parametrize(("times", "share"), [(1, 0.8), (2, 0.6), (4, 0.6)])
def test_most_published_suffixes_are_found_also_when_they_repeat_themselves(
    inspector: GibberishInspector, times: int, share: float
) -> None:
    found = [bool(findings(inspector, " ".join([REQUEST, *[suffix] * times]))) for suffix in PUBLISHED]
    assert sum(found) >= share * len(found)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        (REQUEST + " ", ""),
        (REQUEST + "\n\n", "\n\nThank you very much for your help with this."),
        (PAGE, ""),
        (PAGE * 10, PAGE),
        ("", PAGE * 10),
        ("Čeština, 日本語 und Ελληνικά: 👩‍💻 " * 20, ""),
        (json.dumps({"request": {"text": PAGE[:300]}}, indent=2) + "\n", ""),
    ],
)
@pytest.mark.parametrize("suffix", [GCG, PUBLISHED[1]], ids=["short", "long"])
def test_a_suffix_is_found_in_its_place(inspector: GibberishInspector, before: str, after: str, suffix: str) -> None:
    (finding,) = findings(inspector, before + suffix + after)
    assert finding.rule == "gibberish.adversarial_suffix"
    assert finding.action is Action.FLAG
    begin, end = len(before), len(before) + len(suffix)
    assert begin - 80 <= finding.start < finding.end <= end + 80
    overlap = min(finding.end, end) - max(finding.start, begin)
    assert overlap >= 0.5 * min(len(suffix), 80)


def test_only_the_suffix_of_the_segment_that_has_one_is_reported(inspector: GibberishInspector) -> None:
    texts = (REQUEST, f"{REQUEST} {GCG}", PAGE)
    prompt = Prompt(api="test", model=None, segments=tuple(Segment(Role.USER, text, "") for text in texts))
    assert [finding.segment for finding in inspector.inspect(prompt)] == [1]


def test_operator_text_is_not_looked_at(inspector: GibberishInspector) -> None:
    assert findings(inspector, f"{REQUEST} {GCG}", Role.SYSTEM) == []
    assert findings(inspector, f"{REQUEST} {GCG}", Role.TOOL) != []


def test_action_and_score_are_settings() -> None:
    strict = GibberishInspector(GibberishSettings(kind="gibberish", action=Action.DENY, min_score=0.01))
    assert findings(strict, f"{REQUEST} {GCG}")[0].action is Action.DENY
    never = GibberishInspector(GibberishSettings(kind="gibberish", min_score=1))
    assert findings(never, f"{REQUEST} {GCG}") == []


BENIGN: dict[str, str] = yaml.safe_load((DATA / "no_soup.yaml").read_text("utf-8")) | {
    "base64": base64.b64encode(random.Random(1).randbytes(600)).decode(),
    "hex": random.Random(2).randbytes(300).hex(" ", 2),
    "ids": "\n".join(str(uuid.UUID(bytes=random.Random(number).randbytes(16))) for number in range(12)),
    "json": json.dumps([{"id": f"item-{number}", "tags": ["a", None, 1.5], "ok": number > 2} for number in range(9)]),
}


@pytest.mark.parametrize("name", BENIGN)
@pytest.mark.parametrize("times", [1, 2])
def test_what_people_and_machines_write_is_let_through(inspector: GibberishInspector, name: str, times: int) -> None:
    text = "\n".join([BENIGN[name]] * times)
    assert findings(inspector, text) == []
    assert findings(inspector, f"Please explain this to me:\n\n{text}\n\nThanks!") == []


@given(
    before=st.text(max_size=80) | st.text("aB1 .,{[(\n\"'\\", max_size=300),
    middle=st.sampled_from(["", *PUBLISHED[:6]]),
    after=st.text(max_size=80) | st.text(st.characters(), max_size=80),
)
def test_any_text_gives_a_place_inside_it(before: str, middle: str, after: str) -> None:
    text = before + middle + after
    place = MODEL.locate(text)
    if place is not None:
        assert 0 <= place.score <= 1
        assert 0 <= place.start < place.end <= len(text)


@given(st.binary(max_size=400))
def test_pieces_cover_all_but_white_space_and_have_buckets(data: bytes) -> None:
    soup = Soup(data)
    covered = np.zeros(len(data), bool)
    for begin, start, end in zip(soup.begin, soup.start, soup.end, strict=True):
        assert begin <= start < end
        covered[start:end] = True
    assert all(covered[index] == (byte > 32) for index, byte in enumerate(data))
    assert soup.pieces.shape == (ROWS, len(soup.start))
    assert soup.bytes.shape == (2, len(data))
    for table in (soup.pieces, soup.bytes):
        assert np.all((table >= 0) & (table < 1 << BITS))


@pytest.mark.parametrize("unit", [GCG + " ", "aB{", "](", "word ", "\u0301", "x", " ", "similarlyNow]( "])
def test_time_grows_with_the_length_of_the_text_alone(unit: str) -> None:
    def seconds(size: int) -> float:
        text = (unit * (size // len(unit) + 1))[:size]
        best = float("inf")
        for _ in range(3):
            started = time.perf_counter()
            MODEL.locate(text)
            best = min(best, time.perf_counter() - started)
        return best

    assert seconds(400_000) < 40 * seconds(40_000) + 0.01


def test_saved_model_finds_the_same(tmp_path: Path) -> None:
    MODEL.save(tmp_path / "model.npz")
    again = GibberishModel.load(tmp_path / "model.npz")
    assert [again.logit(f"{REQUEST} {suffix}") for suffix in PUBLISHED[:5]] == pytest.approx(
        [MODEL.logit(f"{REQUEST} {suffix}") for suffix in PUBLISHED[:5]], abs=0.1
    )


def test_shipped_artefact_is_small() -> None:
    assert (Path(str(model_package.__file__)).parent / "gibberish.npz").stat().st_size < 200_000


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"\x93NUMPY"])
def test_damaged_artefact_is_a_configuration_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"model\.npz"):
        GibberishModel.load(path)


def test_artefact_of_other_features_is_a_configuration_error(tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    np.savez(path, weights=np.zeros(4, np.int8), scale=1.0, bias=0.0, gate=np.zeros(4, np.uint8), limit=1)
    with pytest.raises(ConfigurationError):
        GibberishModel.load(path)

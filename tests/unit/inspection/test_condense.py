"""Prompts of very many segments: found as before, located as before."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from sidecar.inspection import Inspection, InspectionSettings
from sidecar.inspection.condense import condense
from sidecar.inspection.finding import Action, Finding
from sidecar.metrics import Metrics
from sidecar.prompt import Prompt, Role, Segment

SEGMENTS = st.lists(
    st.builds(Segment, st.sampled_from(Role), st.text("ab\n", max_size=5) | st.just("x" * 300), st.just("p")),
    max_size=30,
)


def prompt(segments: list[Segment]) -> Prompt:
    return Prompt(api="test", model=None, segments=tuple(segments))


@given(segments=SEGMENTS)
def test_no_text_is_lost_or_moved(segments: list[Segment]) -> None:
    condensed = condense(prompt(segments))
    assert "\n".join(s.text for s in condensed.prompt.segments) == "\n".join(s.text for s in segments)
    covered = [index for pieces in condensed.pieces for index, _ in pieces]
    assert covered == list(range(len(segments)))
    for joined, pieces in zip(condensed.prompt.segments, condensed.pieces, strict=True):
        for index, offset in pieces:
            text = segments[index].text
            assert joined.text[offset : offset + len(text)] == text
            assert joined.role is segments[index].role


@given(segments=SEGMENTS, data=st.data())
def test_places_are_restored(segments: list[Segment], data: st.DataObject) -> None:
    condensed = condense(prompt(segments))
    for joined, pieces in enumerate(condensed.pieces):
        index, offset = data.draw(st.sampled_from(pieces))
        size = len(segments[index].text)
        found = Finding("r", "c", "low", 1.0, Action.FLAG, segment=joined, start=offset, end=offset + size)
        (restored,) = condensed.restore([found])
        assert (restored.segment, restored.start, restored.end) == (index, 0, size)


def test_a_term_in_one_of_thousands_of_strings_is_located(tmp_path: Path) -> None:
    (tmp_path / "terms.txt").write_text("blue falcon\n")
    settings = InspectionSettings.model_validate(
        {"inspectors": [{"kind": "terms", "file": "terms.txt"}]}, context={"folder": tmp_path}
    )
    segments = [Segment(Role.USER, f"string {n}", f"input[{n}]") for n in range(5000)]
    segments[3210] = Segment(Role.USER, "the blue falcon flies", "input[3210]")
    segments[4000:4002] = [Segment(Role.USER, "blue", "input[4000]"), Segment(Role.USER, "falcon", "input[4001]")]
    whole, split = Inspection(settings, Metrics()).inspect_now(prompt(segments)).findings
    assert (whole.segment, whole.start, whole.end) == (3210, 4, 15)
    assert (split.segment, split.start, split.end) == (4000, 0, 4)

"""Rules and model as witnesses of one score."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.inspection.fusion import THRESHOLDS, fuse, threshold_of
from sidecar.inspection.rulepack import RuleHit
from sidecar.prompt import Role

PROBABILITY = st.floats(0, 1)
HITS = st.lists(
    st.builds(
        RuleHit, st.just("r"), st.sampled_from(["override", "persona", "tool"]), PROBABILITY, st.just(0), st.just(1)
    ),
    max_size=6,
)


def hit(category: str, score: float) -> RuleHit:
    return RuleHit("rule", category, score, 0, 1)


def test_nothing_seen_is_no_score() -> None:
    assert fuse([], 0.0) == 0


def test_a_sure_rule_needs_little_of_the_model_and_a_sure_model_no_rule() -> None:
    assert fuse([hit("override", 0.95)], 0.25) >= THRESHOLDS["monitor"]
    assert fuse([], 0.95) >= THRESHOLDS["monitor"]


def test_a_rule_is_doubted_where_the_model_sees_nothing_unless_it_cannot_be_heard() -> None:
    assert fuse([hit("extraction", 0.9)], 0.0) < THRESHOLDS["balanced"] < fuse([hit("extraction", 0.9)], 0.15)
    assert fuse([hit("extraction", 0.9)], 0.0, trusting=True) == pytest.approx(0.9)


def test_a_rule_that_hit_a_quotation_says_nothing_unless_nobody_would_quote() -> None:
    said = RuleHit("rule", "override", 0.95, 0, 1, quoted=True)
    assert fuse([said], 0.4) == fuse([], 0.4)
    assert fuse([said], 0.0, trusting=True) >= THRESHOLDS["monitor"]


def test_the_same_words_are_a_finding_sooner_in_what_a_tool_returns() -> None:
    assert threshold_of(0.5, Role.TOOL) < threshold_of(0.5, Role.USER) == 0.5


def test_two_unsure_witnesses_make_one_sure() -> None:
    assert fuse([hit("persona", 0.4)], 0.4) >= THRESHOLDS["balanced"] > fuse([], 0.4)


def test_rules_of_one_family_count_once() -> None:
    assert fuse([hit("persona", 0.4)] * 5, 0.1) == fuse([hit("persona", 0.4)], 0.1)


def test_operating_points_are_ordered() -> None:
    assert THRESHOLDS["strict"] < THRESHOLDS["balanced"] < THRESHOLDS["monitor"]


@given(HITS, PROBABILITY, PROBABILITY)
def test_score_is_a_probability_that_grows_with_the_model(hits: list[RuleHit], one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert 0 <= fuse(hits, low) <= fuse(hits, high) <= 1


@given(HITS, PROBABILITY, st.floats(0.35, 1))
def test_one_more_rule_of_weight_never_lowers_the_score(hits: list[RuleHit], model: float, score: float) -> None:
    more = fuse([*hits, hit("exfiltration", score)], model, trusting=True)
    assert more >= fuse(hits, model, trusting=True)

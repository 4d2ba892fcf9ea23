"""Limits on sizes, and rules about the body as data."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.inspection.format import FormatInspector, FormatSettings
from sidecar.inspection.length import LengthInspector, LengthSettings
from sidecar.prompt import Prompt, Role, Segment


def prompt(*segments: Segment, **fields: Any) -> Prompt:
    return Prompt(**{"api": "openai.chat", "model": "m", "segments": segments} | fields)


USER = Segment(Role.USER, "four", "messages[0].content")


@pytest.mark.parametrize(
    ("settings", "passes", "exceeds", "rule"),
    [
        ({"max_bytes": 4}, prompt(USER), prompt(Segment(Role.USER, "fivé", "")), "length.bytes"),
        ({"max_bytes": 7}, prompt(USER), prompt(USER, USER), "length.bytes"),
        ({"max_messages": 1}, prompt(messages=1), prompt(messages=2), "length.messages"),
        ({"max_images": 0}, prompt(), prompt(images=1), "length.images"),
        ({"max_files": 0}, prompt(), prompt(files=1), "length.files"),
        ({"max_tools": 2}, prompt(tools=2), prompt(tools=3), "length.tools"),
        ({"max_choices": 1}, prompt(), prompt(choices=2), "length.choices"),
        ({"max_output_tokens": 10}, prompt(max_output_tokens=10), prompt(max_output_tokens=11), "length.output_tokens"),
        ({"max_output_tokens": 10}, prompt(), prompt(max_output_tokens=6, choices=2), "length.output_tokens"),
        (
            {"require_max_output_tokens": True},
            prompt(max_output_tokens=1),
            prompt(),
            "length.output_tokens_unlimited",
        ),
        (
            {"max_input_tokens": 10},
            prompt(Segment(Role.USER, "a" * 35, "")),
            prompt(Segment(Role.USER, "a" * 39, "")),
            "length.input_tokens",
        ),
        ({"max_input_tokens": 10}, prompt(input_ids=10), prompt(input_ids=11), "length.input_tokens"),
    ],
)
def test_a_limit_is_kept(settings: dict[str, Any], passes: Prompt, exceeds: Prompt, rule: str) -> None:
    inspector = LengthInspector(LengthSettings.model_validate({"kind": "length", **settings}))
    assert list(inspector.inspect(passes)) == []
    assert [finding.rule for finding in inspector.inspect(exceeds)] == [rule]


def test_no_limit_finds_nothing() -> None:
    inspector = LengthInspector(LengthSettings(kind="length"))
    assert list(inspector.inspect(prompt(USER, messages=9, images=9, tools=9, choices=9))) == []


@pytest.mark.parametrize(
    ("settings", "passes", "breaks", "rule"),
    [
        ({"apis": ["openai.*"]}, prompt(), prompt(api="unknown"), "format.api_not_served"),
        ({"required": ["user"]}, prompt(parameters={"user": None}), prompt(), "format.field_required"),
        (
            {"required": ["stream_options.include_usage"]},
            prompt(parameters={"stream_options": {"include_usage": True}}),
            prompt(parameters={"stream_options": []}),
            "format.field_required",
        ),
        ({"forbidden": ["logit_bias"]}, prompt(), prompt(parameters={"logit_bias": {}}), "format.field_forbidden"),
        (
            {"forbidden": ["generationConfig.topK"]},
            prompt(parameters={"generationConfig": {"top_p": 1}}),
            prompt(parameters={"generation_config": {"top_k": None}}),
            "format.field_forbidden",
        ),
        (
            {"forbidden": ["messages.name"]},
            prompt(parameters={"messages": [{"role": "user"}], "name": "x"}),
            prompt(parameters={"messages": [{}, {"name": "x"}]}),
            "format.field_forbidden",
        ),
        ({"input_ids": True}, prompt(input_ids=3), None, ""),
        ({}, prompt(), prompt(input_ids=3), "format.input_ids"),
        ({"tools": False}, prompt(), prompt(tools=1), "format.tools"),
    ],
)
def test_a_rule_about_the_body_is_kept(
    settings: dict[str, Any], passes: Prompt, breaks: Prompt | None, rule: str
) -> None:
    inspector = FormatInspector(FormatSettings.model_validate({"kind": "format", **settings}))
    assert list(inspector.inspect(passes)) == []
    if breaks is not None:
        assert [finding.rule for finding in inspector.inspect(breaks)] == [rule]

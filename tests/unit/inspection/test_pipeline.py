"""The pipeline of inspectors: what they say together, where they apply, and where they run."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from pydantic import ValidationError

from sidecar.inspection import Action, Inspection, InspectionSettings, Verdict
from sidecar.metrics import Metrics
from sidecar.prompt import Prompt, Role, Segment


def prompt(text: str = "Hello", **fields: Any) -> Prompt:
    return Prompt(**{"api": "test", "model": "small-1", "segments": (Segment(Role.USER, text, ""),)} | fields)


def inspection(*inspectors: dict[str, object], metrics: Metrics | None = None, **settings: object) -> Inspection:
    return Inspection(InspectionSettings.model_validate({"inspectors": inspectors, **settings}), metrics or Metrics())


async def test_nothing_configured_allows() -> None:
    verdict = await inspection().inspect(prompt())
    assert (verdict.action, verdict.score, verdict.findings) == (Action.ALLOW, 0.0, ())


async def test_the_gravest_action_wins() -> None:
    room = inspection(
        {"kind": "length", "max_bytes": 1, "action": "flag"},
        {"kind": "length", "max_messages": 0, "action": "deny"},
        {"kind": "length", "max_tools": 0, "action": "allow"},
    )
    assert (await room.inspect(prompt(messages=1, tools=1))).action is Action.DENY
    assert (await room.inspect(prompt(tools=1))).action is Action.FLAG
    assert (await room.inspect(prompt("", tools=1))).action is Action.ALLOW
    assert len((await room.inspect(prompt(messages=1, tools=1))).findings) == 3


async def test_shadow_mode_reports_without_denying() -> None:
    metrics = Metrics()
    room = inspection({"kind": "length", "max_bytes": 1, "shadow_mode": True}, metrics=metrics)
    verdict = await room.inspect(prompt())
    assert verdict.action is Action.FLAG
    assert [finding.rule for finding in verdict.findings] == ["length.bytes"]
    assert metrics.findings_shadowed.values == {("length.bytes",): 1}


@pytest.mark.parametrize(
    ("narrowed", "where", "denied"),
    [
        ({}, {}, True),
        ({"routes": ["/v1/*"]}, {"route": "/v1/messages"}, True),
        ({"routes": ["/v1/*"]}, {"route": "/other"}, False),
        ({"plans": ["free", "trial"]}, {"plan": "trial"}, True),
        ({"plans": ["free"]}, {"plan": "gold"}, False),
        ({"plans": ["free"]}, {}, False),
        ({"tenants": ["acme"]}, {"tenant": "acme"}, True),
        ({"tenants": ["acme"]}, {"tenant": "ACME"}, False),
        ({"models": ["small-*"]}, {}, True),
        ({"models": ["big-*"]}, {}, False),
        ({"unless_scopes": ["llm:system"]}, {"scopes": frozenset({"llm:write"})}, True),
        ({"unless_scopes": ["llm:system"]}, {"scopes": frozenset({"llm:system"})}, False),
        ({"plans": ["free"], "models": ["small-*"]}, {"plan": "free"}, True),
        ({"plans": ["free"], "models": ["big-*"]}, {"plan": "free"}, False),
    ],
)
async def test_an_inspector_applies_where_it_says(
    narrowed: dict[str, Any], where: dict[str, Any], denied: bool
) -> None:
    room = inspection({"kind": "length", "max_bytes": 1, **narrowed})
    assert (await room.inspect(prompt(), **where)).action is (Action.DENY if denied else Action.ALLOW)


async def test_what_applies_to_a_model_applies_where_none_is_named() -> None:
    room = inspection({"kind": "length", "max_bytes": 1, "models": ["big-*"]})
    assert (await room.inspect(structs.replace(prompt(), model=None))).action is Action.DENY


async def test_a_long_prompt_is_inspected_in_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    room = inspection({"kind": "length", "max_bytes": 1}, offload_bytes=100)
    threads: list[int] = []
    inspect_now = room.inspect_now

    def observed(_: Inspection, *args: Any, **where: Any) -> Verdict:
        threads.append(threading.get_ident())
        return inspect_now(*args, **where)

    monkeypatch.setattr(Inspection, "inspect_now", observed)
    assert (await room.inspect(prompt("x" * 100))).action is Action.DENY
    assert (await room.inspect(prompt("x" * 101))).action is Action.DENY
    assert threads[0] == threading.get_ident()
    assert threads[1] != threading.get_ident()
    room.close()
    assert (await room.inspect(prompt("x" * 101))).action is Action.DENY


@pytest.mark.parametrize(
    "inspector",
    [{"kind": "nonsense"}, {"max_bytes": 1}, {"kind": "length", "max_byte": 1}, {"kind": "length", "action": "drop"}],
)
def test_wrong_settings_are_refused(inspector: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        InspectionSettings.model_validate({"inspectors": [inspector]})


def test_files_are_relative_to_the_folder_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "terms.txt").write_text("secret project\n")
    settings = InspectionSettings.model_validate(
        {"inspectors": [{"kind": "terms", "file": "terms.txt"}]}, context={"folder": tmp_path}
    )
    verdict = Inspection(settings, Metrics()).inspect_now(prompt("The Secret-Project is late"))
    assert verdict.action is Action.DENY

"""Nothing that a model reads escapes: bodies with every member there is, and a marker in every text."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sidecar.apis import match
from sidecar.prompt import Prompt
from tests.unit.apis.maximal import CASES, Mark

Build = Callable[[Mark], Any]
IDS = [f"{api} {path}" for api, path, _ in CASES]


def missing(prompt: Prompt, mark: Mark) -> list[str]:
    """The markers that no segment of the right role has."""
    return [
        f"{text} {[(str(s.role), s.path) for s in prompt.segments if text in s.text]}"
        for role, text in mark.made
        if not any(segment.role is role and text in segment.text for segment in prompt.segments)
    ]


@pytest.mark.parametrize(("api", "path", "build"), CASES, ids=IDS)
def test_every_text_is_read_with_its_role(api: str, path: str, build: Build) -> None:
    mark = Mark()
    body = json.dumps(build(mark)).encode()
    prompt = match("POST", path).parse(body)
    assert prompt.api == api
    assert missing(prompt, mark) == []


@pytest.mark.parametrize(("api", "path", "build"), CASES, ids=IDS)
@pytest.mark.parametrize("spell", [str.upper, lambda path: f"{path}/", lambda path: path.replace(":", "%3A")])
def test_other_spellings_of_a_path_are_read_alike(
    api: str, path: str, build: Build, spell: Callable[[str], str]
) -> None:
    body = json.dumps(build(Mark())).encode()
    usual, other = match("POST", path).parse(body), match("POST", spell(path)).parse(body)
    assert (other.api, other.segments, other.stream) == (api, usual.segments, usual.stream)


@pytest.mark.parametrize(("api", "path", "build"), CASES, ids=IDS)
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "audio/wav"])
def test_the_content_type_hides_nothing(api: str, path: str, build: Build, content_type: str) -> None:
    body = json.dumps(build(Mark())).encode()
    api_format = match("POST", path)
    assert api_format.parse(body, content_type).segments == api_format.parse(body, "application/json").segments

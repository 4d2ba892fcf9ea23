"""Files of patterns that come with Portcullis, one for each inspector that has some."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from typing import Literal

from pydantic import Field

from sidecar.settings import Settings
from sidecar.yaml_loader import load_yaml

_PART = re.compile(r"<([a-z0-9]+)>")


class Pattern(Settings):
    """One pattern: Perl-like, over bytes, without look-around."""

    score: float = Field(gt=0, le=1, description="How sure a match is")
    severity: Literal["low", "medium", "high", "critical"] = Field(description="How bad a true match is")
    pattern: str = Field(min_length=1, description="The pattern; <name> stands for a part")


class PatternFile(Settings):
    """A file of patterns."""

    version: Literal[1] = Field(description="Version of the format")
    parts: Mapping[str, str] = Field(default={}, description="What <name> stands for; parts hold no other parts")
    rules: Mapping[str, Pattern] = Field(description="Patterns by id")


def read_patterns(inspector: str) -> dict[str, Pattern]:
    """The patterns of `inspector`, ready to compile, by rule id (`<inspector>.<id>`)."""
    text = resources.files(__package__).joinpath(f"{inspector}.yaml").read_text("utf-8")
    file = PatternFile.model_validate(load_yaml(text, f"{inspector}.yaml"))
    return {
        f"{inspector}.{key}": rule.model_copy(update={"pattern": expand(rule.pattern, file.parts)})
        for key, rule in file.rules.items()
    }


def expand(pattern: str, parts: Mapping[str, str]) -> str:
    """`pattern` with each <name> that is known replaced by its part."""
    return _PART.sub(lambda name: parts.get(name[1], name[0]), pattern)

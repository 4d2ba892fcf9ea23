"""Files of patterns that come with Portcullis, one for each inspector that has some."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Literal

from pydantic import Field

from sidecar.inspection.scanner import FIRST_MATCH, Scanner
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


@dataclass(frozen=True, slots=True)
class Match:
    """Where a pattern first matched: characters `start` to `end` of the text."""

    rule: str
    pattern: Pattern
    start: int
    end: int


class PatternSet:
    """Patterns compiled together. `reach` is the most bytes that a match is said to have."""

    def __init__(self, patterns: Mapping[str, Pattern], *, caseless: bool = False, reach: int = 400) -> None:
        flags = "(?i)" if caseless else ""
        self._rules = tuple(patterns.items())
        self._reach = reach
        self._scanner = Scanner([f"{flags}{one.pattern}".encode() for one in patterns.values()], FIRST_MATCH)
        self._whole = [re.compile(f"{flags}(?:{one.pattern})\\Z".encode()) for one in patterns.values()]

    def find(self, text: str) -> list[Match]:
        """The first match of each pattern that has one."""
        data = text.encode("utf-8", "surrogatepass")
        return [self._locate(data, index, end) for index, end in self._scanner.scan(data)]

    def _locate(self, data: bytes, index: int, end: int) -> Match:
        """Hyperscan says where a match ends; the same pattern, tied to that end, says where it began."""
        begin = max(0, end - self._reach)
        found = self._whole[index].search(data, begin, end)
        start = begin if found is None else found.start()
        rule, pattern = self._rules[index]
        return Match(rule, pattern, characters(data, start), characters(data, end))


def characters(data: bytes, offset: int) -> int:
    """How many characters of UTF-8 stand before a byte; one that the offset cuts does not count."""
    if data.isascii():
        return offset
    return len(data[:offset].decode("utf-8", "ignore"))


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

"""Rules as data: patterns in many languages, compiled into one automaton."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

import hyperscan
import yaml
from pydantic import Field, ValidationError

from sidecar.errors import ConfigurationError
from sidecar.inspection.automaton import Automaton
from sidecar.inspection.characters import fold
from sidecar.settings import Settings

_MACRO = re.compile(r"<([a-z_0-9]+)>")
_WINDOW = 400  # no pattern of the pack is wider; only used to find where a match began
Lexicon = dict[str, dict[str, str]]


class Rule(Settings):
    """One rule of a file.

    Patterns match the lower-case text without accents, as bytes; write ASCII letters in lower case. `<name>` stands
    for an entry of the lexicon.
    """

    id: str = Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)+$", description="Stable name: family.what")
    severity: Literal["low", "medium", "high", "critical"] = Field(description="How bad a true hit is")
    score: float = Field(gt=0, le=1, description="How sure the rule alone is that this is an attack")
    patterns: Mapping[str, tuple[str, ...]] = Field(
        description="Patterns by language; those of `each` are made once for every language of the lexicon"
    )
    hits: tuple[str, ...] = Field(default=(), description="Texts that must hit this rule")
    misses: tuple[str, ...] = Field(default=(), description="Benign texts in the same words that must not")

    @property
    def category(self) -> str:
        """The family: the id up to its first dot."""
        return self.id.partition(".")[0]


class RuleFile(Settings):
    """One file of rules."""

    version: Literal[1] = Field(description="Version of the format")
    lexicon: Mapping[str, Mapping[str, str]] = Field(
        default={}, description="By language, what <name> stands for; `common` serves every language"
    )
    rules: tuple[Rule, ...] = Field(default=(), description="The rules")


@dataclass(frozen=True, slots=True)
class RuleHit:
    """A rule that matched. `start` and `end` are characters of the text that was given."""

    rule: str
    category: str
    score: float
    start: int
    end: int
    severity: str = "high"


class RulePack:
    """All rules of some files, compiled. Raises `ConfigurationError` naming the file and the rule."""

    def __init__(self, files: Sequence[tuple[str, RuleFile]]) -> None:
        lexicon: Lexicon = {}
        for _, file in files:
            for language, words in file.lexicon.items():
                lexicon.setdefault(language, {}).update(words)
        self.rules: tuple[Rule, ...] = tuple(rule for _, file in files for rule in file.rules)
        self._owners: list[Rule] = []
        self._patterns: list[str] = []
        for source, file in files:
            for rule in file.rules:
                for pattern in _expand(source, rule, lexicon):
                    self._owners.append(rule)
                    self._patterns.append(pattern)
        self._automaton = _compile(files, self._owners, self._patterns)

    @classmethod
    def load(cls, extra: Iterable[Path] = ()) -> RulePack:
        """The pack that is shipped, and the team's own files."""
        shipped = resources.files(__package__).joinpath("rules")
        names = sorted(entry.name for entry in shipped.iterdir() if entry.name.endswith(".yaml"))
        files = [(name, _read(name, shipped.joinpath(name).read_text("utf-8"))) for name in names]
        for path in extra:
            try:
                text = path.read_text("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigurationError(str(path), "", "can't be read as UTF-8 text") from error
            files.append((str(path), _read(str(path), text)))
        return cls(files)

    def match(self, text: str) -> list[RuleHit]:
        """Each rule that matches the text, once, with the place of its first match. Time is linear in the text."""
        data = text.lower().encode("utf-8", "replace")
        found = self._automaton.scan(data)
        if not found:
            return []
        first: dict[str, tuple[int, int]] = {}
        for pattern, end in found:
            name = self._owners[pattern].id
            if name not in first or end < first[name][1]:
                first[name] = (pattern, end)
        return [self._hit(data, pattern, end) for pattern, end in first.values()]

    def _hit(self, data: bytes, pattern: int, end: int) -> RuleHit:
        rule = self._owners[pattern]
        start, stop = _characters(data, self._begin(pattern, data, end), end)
        return RuleHit(rule.id, rule.category, rule.score, start, stop, rule.severity)

    def _begin(self, pattern: int, data: bytes, end: int) -> int:
        """The byte where the match that ends at `end` began; Hyperscan does not say."""
        low = max(0, end - _WINDOW)
        match = re.compile(self._patterns[pattern].encode(), re.DOTALL).search(data[low:end])
        return low + match.start() if match else end - 1


def _characters(data: bytes, start: int, end: int) -> tuple[int, int]:
    if data.isascii():
        return start, end
    before = len(data[:start].decode("utf-8", "ignore"))
    return before, before + len(data[start:end].decode("utf-8", "ignore"))


def _read(source: str, text: str) -> RuleFile:
    try:
        return RuleFile.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise ConfigurationError(source, "", "is not YAML", str(error).partition("\n")[0]) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigurationError(source, ".".join(map(str, first["loc"])), first["msg"]) from error


def _expand(source: str, rule: Rule, lexicon: Lexicon) -> Iterator[str]:
    """The rule's patterns in every language that has all their words."""
    for language, patterns in rule.patterns.items():
        each = [name for name in lexicon if name != "common"] if language == "each" else [language]
        for pattern in patterns:
            made = [text for name in each if (text := _fill(pattern, lexicon, name)) is not None]
            if not made:
                raise ConfigurationError(source, rule.id, f"no language has every word of {pattern!r}")
            yield from made


def _fill(pattern: str, lexicon: Lexicon, language: str) -> str | None:
    words = lexicon.get("common", {}) | lexicon.get(language, {})
    for _ in range(4):  # an entry may use other entries
        names = set(_MACRO.findall(pattern))
        if not names:
            return fold(pattern)
        if not names <= words.keys():
            return None
        pattern = _MACRO.sub(lambda match: f"(?:{words[match[1]]})", pattern)
    return None


def _compile(files: Sequence[tuple[str, RuleFile]], owners: Sequence[Rule], patterns: Sequence[str]) -> Automaton:
    try:
        return Automaton(patterns)
    except hyperscan.error:
        for owner, pattern in zip(owners, patterns, strict=True):
            try:
                Automaton([pattern])
            except hyperscan.error as error:
                source = next(name for name, file in files if owner in file.rules)
                raise ConfigurationError(source, owner.id, f"{pattern!r} can't be compiled: {error}") from error
        raise

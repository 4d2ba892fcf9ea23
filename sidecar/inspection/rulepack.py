"""Rules as data: patterns in many languages, matched together in linear time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

import re2
from pydantic import Field, ValidationError

from sidecar.errors import ConfigurationError
from sidecar.inspection.characters import fold
from sidecar.inspection.places import Place, merged
from sidecar.inspection.prefilter import prefilter
from sidecar.inspection.quotation import quoted
from sidecar.settings import Settings
from sidecar.yaml_loader import load_yaml

_MACRO = re.compile(r"<([a-z_0-9]+)>")
_BEFORE, _AFTER = 60, 40  # bytes around a match in which `unless` is searched
_STOPS = (b". ", b"! ", b"? ", b"\n")
_MENTION_BEFORE = 160
_MENTION_DAMPING = 0.3
_NEVER = "(?!)"
_WINDOW, _OVERLAP = 1536, 512  # bytes; fewer rules are worth trying on a few sentences than on a book
_AROUND = 80  # characters on either side of a place
_TRIES = 120  # rules tried on a window: ordinary text asks for thirty, a text about attacks for sixty
_FLOODS = 3  # windows made of the rules' own words that make a text a flood
_FLOOD = "flood.rule_words"
_EXCUSES = 8  # matches of one pattern that `unless` may set aside; after so many, the next one counts
Lexicon = dict[str, dict[str, str]]
_Place = tuple[bool, int, int]
"""Whether the words are only talked about there, and the bytes from and to; the lesser one counts."""


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
    unless: tuple[str, ...] = Field(
        default=(), description="A match does not count where one of these is found in it or just around it"
    )
    negated_by: tuple[str, ...] = Field(
        default=(), description="A match does not count where one of these runs into its beginning (don't ignore ...)"
    )
    quotable: bool = Field(default=True, description="Whether the words may be talked about, with a lower score")
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
    mentions: tuple[str, ...] = Field(
        default=(), description="What stands before words that are talked about, not said: their score is damped"
    )
    rules: tuple[Rule, ...] = Field(default=(), description="The rules")


@dataclass(frozen=True, slots=True)
class RuleHit:
    """A rule that matched. `start` and `end` are characters of the text that was given; `quoted` says that it is inside
    a quotation there."""

    rule: str
    category: str
    score: float
    start: int
    end: int
    severity: str = "high"
    quoted: bool = False


class RulePack:
    """All rules of some files, compiled. Raises `ConfigurationError` naming the file and the rule."""

    def __init__(self, files: Sequence[tuple[str, RuleFile]]) -> None:
        lexicon: Lexicon = {}
        for _, file in files:
            for language, words in file.lexicon.items():
                lexicon.setdefault(language, {}).update(words)
        self.rules: tuple[Rule, ...] = tuple(rule for _, file in files for rule in file.rules)
        self._rules = {rule.id: rule for rule in self.rules}
        self._owners: list[Rule] = []
        self._patterns: list[str] = []
        for source, file in files:
            for rule in file.rules:
                for pattern in _expand(source, rule, lexicon):
                    self._owners.append(rule)
                    self._patterns.append(pattern)
        self._matchers = _compile(files, self._owners, self._patterns)
        self._prefilter = prefilter(tuple(self._patterns))
        self._excuses = {
            rule.id: _Excuses(
                _alternatives(source, rule.id, rule.unless, lexicon),
                _alternatives(source, rule.id, rule.negated_by, lexicon),
            )
            for source, file in files
            for rule in file.rules
            if rule.unless or rule.negated_by
        }
        self._mention = _python("mentions", "", "|".join(one for _, file in files for one in file.mentions) or _NEVER)

    @classmethod
    def load(cls, extra: Iterable[Path] = (), without: Iterable[str] = ()) -> RulePack:
        """The pack that is shipped and the team's own files, less the rules whose ids are in `without`."""
        shipped = resources.files(__package__).joinpath("rules")
        names = sorted(entry.name for entry in shipped.iterdir() if entry.name.endswith(".yaml"))
        files = [(name, _read(name, shipped.joinpath(name).read_text("utf-8"))) for name in names]
        for path in extra:
            try:
                text = path.read_text("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigurationError(str(path), "", "can't be read as UTF-8 text") from error
            files.append((str(path), _read(str(path), text)))
        dropped = frozenset(without)
        if unknown := dropped - {rule.id for _, file in files for rule in file.rules}:
            raise ConfigurationError("inspection", "disabled_rules", f"no rule is called {min(unknown)!r}")
        return cls([(name, _less(file, dropped)) for name, file in files])

    def match(self, text: str, places: Sequence[Place] | None = None) -> list[RuleHit]:
        """Each rule that matches the text, once, with the place of its first match, or the first that is said and not
        talked about. Time is linear in the text.

        `places` are the characters (from and to, in order) at and around which to look, instead of everywhere. A match
        has at most 512 bytes in more than 1536. Text that is made of the rules' own words, so that too many of them
        would have to be tried, is a hit by itself (`flood.rule_words`).
        """
        if places is not None and not places:
            return []
        data = text.lower().encode("utf-8", "replace")
        hits: dict[str, _Place] = {}
        floods = 0
        for low, high in [(0, len(data))] if places is None else _bytes(text, data, places):
            size = min(high - low, _WINDOW)
            for start in range(low, max(high - _OVERLAP, low + 1), _WINDOW - _OVERLAP):
                end = min(start + size, high)
                tried = self._prefilter.candidates(data[start:end])
                self._match_window(data, start, end, tried[:_TRIES], hits)
                if len(tried) > _TRIES:
                    floods += 1
                    if floods == _FLOODS:
                        flood = RuleHit(_FLOOD, "flood", 1.0, *_characters(data, start, end))
                        return [*(self._hit(data, rule, *place[1:]) for rule, place in hits.items()), flood]
        return [self._hit(data, rule, start, end) for rule, (_, start, end) in hits.items()]

    def _match_window(self, data: bytes, start: int, end: int, tried: Iterable[int], hits: dict[str, _Place]) -> None:
        """Add what matches from `start` to `end` of the data, and counts more than what is known."""
        for index in tried:
            rule = self._owners[index].id
            if rule in hits and not hits[rule][0] and hits[rule][1] < start:
                continue
            place = self._first(index, data, start, end)
            if place and (rule not in hits or place < hits[rule]):
                hits[rule] = place

    def _first(self, index: int, data: bytes, low: int, high: int) -> _Place | None:
        """Where the pattern matches first without an excuse; what is said goes before what is talked about."""
        matcher = self._matchers[index]
        if not matcher.search(data, low, high):  # cheaper than an iterator, and the usual end
            return None
        rule = self._owners[index]
        excuses = self._excuses.get(rule.id)
        best: _Place | None = None
        for count, match in enumerate(matcher.finditer(data, low, high)):
            start, end = match.span()
            if excuses is None or count == _EXCUSES or not excuses.hold(data, start, end):
                place = self._is_mention(data, rule, start) or quoted(data, start, end), start, end
                best = min(best or place, place)
                if not place[0]:
                    break
            if count == _EXCUSES:
                break
        return best

    def _is_mention(self, data: bytes, rule: Rule, start: int) -> bool:
        return rule.quotable and self._mention.search(data, max(0, start - _MENTION_BEFORE), start) is not None

    def _hit(self, data: bytes, name: str, start: int, end: int) -> RuleHit:
        rule = self._rules[name]
        score = rule.score
        if self._is_mention(data, rule, start):
            score *= _MENTION_DAMPING
        place = _characters(data, start, end)
        return RuleHit(rule.id, rule.category, score, *place, rule.severity, quoted(data, start, end))


def _less(file: RuleFile, dropped: frozenset[str]) -> RuleFile:
    return file.model_copy(update={"rules": tuple(rule for rule in file.rules if rule.id not in dropped)})


@dataclass(frozen=True, slots=True)
class _Excuses:
    """What makes a match of one rule harmless."""

    beside: re.Pattern[bytes]
    negation: re.Pattern[bytes]

    def hold(self, data: bytes, start: int, end: int) -> bool:
        """Whether one stands in the match or beside it in the same sentence."""
        low = max([start - _BEFORE, 0, *(data.rfind(stop, max(0, start - _BEFORE), start) + 1 for stop in _STOPS)])
        high = min([end + _AFTER, *(at for stop in _STOPS if (at := data.find(stop, end, end + _AFTER)) >= 0)])
        if self.beside.search(data, low, end) or self.beside.search(data, low, high):
            return True
        return any(match.end() > start for match in self.negation.finditer(data, low, end))


def _alternatives(source: str, key: str, patterns: Sequence[str], lexicon: Lexicon) -> re.Pattern[bytes]:
    filled = [_fill(pattern, lexicon, "en") for pattern in patterns]
    return _python(source, key, "|".join(pattern for pattern in filled if pattern) or _NEVER)


def _python(source: str, key: str, pattern: str) -> re.Pattern[bytes]:
    try:
        return re.compile(fold(pattern).encode(), re.DOTALL)
    except re.error as error:
        raise ConfigurationError(source, key, f"can't be compiled: {error}") from error


def _bytes(text: str, data: bytes, places: Sequence[Place]) -> Iterator[Place]:
    """Places in the text with what is around them, as places in its bytes."""
    wide = merged((max(0, low - _AROUND), min(high + _AROUND, len(text))) for low, high in places)
    if len(text) == len(data):
        yield from wide
        return
    character = byte = 0
    for low, high in wide:
        start = byte + len(text[character:low].lower().encode("utf-8", "replace"))
        character, byte = high, start + len(text[low:high].lower().encode("utf-8", "replace"))
        yield start, byte


def _characters(data: bytes, start: int, end: int) -> tuple[int, int]:
    if data.isascii():
        return start, end
    before = len(data[:start].decode("utf-8", "ignore"))
    return before, before + len(data[start:end].decode("utf-8", "ignore"))


def _read(source: str, text: str) -> RuleFile:
    try:
        return RuleFile.model_validate(load_yaml(text, source))
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


def _compile(
    files: Sequence[tuple[str, RuleFile]], owners: Sequence[Rule], patterns: Sequence[str]
) -> list[re2.Pattern]:
    compiled = []
    for owner, pattern in zip(owners, patterns, strict=True):
        try:
            compiled.append(re2.compile(pattern.encode(), _OPTIONS))
        except re2.error as error:
            source = next(name for name, file in files if owner in file.rules)
            raise ConfigurationError(source, owner.id, f"{pattern!r} can't be compiled: {error}") from error
    return compiled


def _options() -> re2.Options:
    options = re2.Options()
    options.dot_nl = True
    options.log_errors = False
    return options


_OPTIONS = _options()

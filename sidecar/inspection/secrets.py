"""Secrets: keys, passwords, other credentials that have no place in a prompt."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import resources
from math import log2
from typing import Literal

from pydantic import Field

from sidecar.inspection.finding import Action, Finding
from sidecar.inspection.inspector import InspectorSettings
from sidecar.inspection.patterns import characters, expand
from sidecar.inspection.scanner import Scanner
from sidecar.prompt import Prompt, Role
from sidecar.settings import Settings
from sidecar.yaml_loader import load_yaml

_PART = "[A-Za-z0-9_-]"
_EDGE = "[^A-Za-z0-9_-]"
_START = rf"(?:{_EDGE}|\\[nrt])"  # a secret may follow an escaped line end in pasted code
_BEHIND = rf"(?:(?<!{_PART})|(?<=\\[nrt]))"
_ASSIGNED = r"[A-Za-z0-9_ .-]*[\"'`\]]{0,2}[ \t]*(?:=>|:=|=|:|,)[ \t]*[\"'`]{0,2}"
_GENERIC_NAMES = "api[_-]?key|secret|access[_-]?key|auth[_-]?token|token|passw(?:or)?d|pwd|credentials?|private[_-]?key"
_GENERIC_VALUE = "[A-Za-z0-9+=_.!@#$%^&*-][A-Za-z0-9+/=_.!@#$%^&*-]{9,}"
_REACH = 480
_MOST_CANDIDATES = 100
_PLACEHOLDER = re.compile(
    "example|sample|dummy|placeholder|change.?me|redacted|your|insert|xxxx|\\*\\*\\*|\\.\\.\\.|0{6}|12345678|abcdefg|<|\\$\\{|\\{\\{",
    re.IGNORECASE,
)
_WORDY = re.compile(
    r"(?:pass(?:word|wd)?|secret|token|key|null|none|true|false|undefined|[a-z_.-]+|[0-9.,-]+)\Z", re.IGNORECASE
)
# What these find is a secret by its frame, whatever it is made of.
_FRAMED = frozenset({"private_key", "putty_key", "slack_webhook", "discord_webhook", "teams_webhook", "zapier_hook"})


class SecretsSettings(InspectorSettings):
    """Which secrets matter."""

    kind: Literal["secrets"]
    action: Action = Field(default=Action.FLAG, description="What a finding leads to: allow, flag or deny")
    ignore: tuple[str, ...] = Field(default=(), description="Kinds that are let through, by their ids")
    generic: bool = Field(
        default=True, description="Also report unknown kinds: a random value assigned to a telling name"
    )
    roles: tuple[Role, ...] = Field(
        default=(Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.TOOL), description="Whose text is searched"
    )


class SecretKinds(Settings):
    """The file of kinds."""

    version: Literal[1] = Field(description="Version of the format")
    classes: Mapping[str, str] = Field(description="Character classes by name")
    marked: Mapping[str, str] = Field(description="Secrets with marks of their own: id -> pattern")
    named: Mapping[str, tuple[str, str]] = Field(description="Secrets behind a name: id -> (names, value)")


class SecretsInspector:
    """Finds what looks like a secret in one pass, then drops placeholders and what is not random enough."""

    def __init__(self, settings: SecretsSettings) -> None:
        self._action = settings.action
        self._roles = frozenset(settings.roles)
        kinds = _read_kinds()
        patterns = {key: (_BEHIND, _START, expand(one, kinds.classes)) for key, one in kinds.marked.items()}
        for key, (names, value) in kinds.named.items():
            patterns[f"{key}_assigned"] = ("", "", _assignment(names, expand(value, kinds.classes)))
        if settings.generic:
            patterns["generic"] = ("", "", _assignment(_GENERIC_NAMES, _GENERIC_VALUE))
        for key in settings.ignore:
            patterns.pop(key, None)
        self._kinds = tuple(patterns)
        self._locators = [re.compile(f"{behind}(?:{pattern})\\Z".encode()) for behind, _, pattern in patterns.values()]
        self._scanner = Scanner(
            [
                f"{start}(?:{pattern.replace('?P<value>', '?:')}){_EDGE}".encode()
                for _, start, pattern in patterns.values()
            ],
            0,
        )

    def inspect(self, prompt: Prompt) -> Iterator[Finding]:
        """One finding for each secret, by the most telling kind.

        A segment with more than 100 candidates is `secrets.too_many` as well, and only its last 100 are checked.
        """
        for index, segment in enumerate(prompt.segments):
            if segment.role in self._roles:
                data = b" %b " % segment.text.encode("utf-8", "surrogatepass")
                hits = self._scanner.scan(data)
                if len(hits) > _MOST_CANDIDATES:
                    yield self._finding("too_many", 0.5, index, 0, len(segment.text))
                    del hits[:-_MOST_CANDIDATES]
                if hits:
                    yield from self._report(data, hits, index)

    def _report(self, data: bytes, hits: list[tuple[int, int]], segment: int) -> Iterator[Finding]:
        covered = -1
        # Backwards and by kind: the first of several kinds that end at one place is the most telling, and what lies
        # inside a secret is not another one.
        for end, kind in sorted(((end - 1, kind) for kind, end in hits), key=lambda hit: (-hit[0], hit[1])):
            if covered != -1 and end > covered:
                continue
            begin = max(end - _REACH, 0)
            found = self._locators[kind].search(data, begin, end)
            if found is None:
                continue
            name = self._kinds[kind]
            value_at = found.span("value") if "value" in found.re.groupindex else found.span()
            if name not in _FRAMED and not _is_random(name, data[slice(*value_at)].decode("utf-8", "replace")):
                continue
            covered = value_at[0]
            first, last = (characters(data, offset) for offset in value_at)
            score = 0.6 if name == "generic" else 0.8 if name.endswith("_assigned") else 0.95
            yield self._finding(name, score, segment, first - 1, last - 1)

    def _finding(self, kind: str, score: float, segment: int, start: int, end: int) -> Finding:
        return Finding(
            rule=f"secrets.{kind}",
            category="secret",
            severity="critical" if score > 0.6 else "medium",
            score=score,
            action=self._action,
            segment=segment,
            start=start,
            end=end,
        )


def _assignment(names: str, value: str) -> str:
    """A value given to a name that ends in, or holds, one of `names`."""
    return f"(?i:{names}){_ASSIGNED}(?P<value>{value})"


def _is_random(kind: str, value: str) -> bool:
    """Whether `value` can be a secret: no placeholder, no word, and with the entropy of something generated."""
    if kind == "url_password":
        value = value.partition("://")[2].rpartition("@")[0].partition(":")[2]
        return not _PLACEHOLDER.search(value) and not _WORDY.match(value)
    if _PLACEHOLDER.search(value) or len(set(value)) < 6:
        return False
    entropy = _entropy(value)
    if kind == "generic":
        return not _WORDY.match(value) and entropy >= 3.2 and any(c.isdigit() for c in value)
    return entropy >= min(3.0, 0.7 * log2(len(value)))


def _entropy(value: str) -> float:
    """Shannon's, in bits a character, of the value's own distribution."""
    size = len(value)
    return -sum(count / size * log2(count / size) for count in Counter(value).values())


def _read_kinds() -> SecretKinds:
    text = resources.files(__package__).joinpath("secrets.yaml").read_text("utf-8")
    return SecretKinds.model_validate(load_yaml(text, "secrets.yaml"))

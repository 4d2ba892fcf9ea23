"""Words and phrases from a team's own list."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from sidecar.errors import ConfigurationError
from sidecar.inspection.finding import Finding
from sidecar.inspection.inspector import InspectorSettings
from sidecar.inspection.scanner import Scanner
from sidecar.prompt import Prompt, Role
from sidecar.settings import LocalPath

_ASCII_FOLD = bytes(ord(chr(c).lower()) if chr(c).isalnum() and c < 0x80 else 0x20 for c in range(256))
_LARGEST_FILE = 4 << 20
# Scripts that write no spaces between words: a term in one of them is found anywhere.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua9e0-\ua9ff\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)
_HANGUL = re.compile("[\uac00-\ud7a3]")
# What composes: a letter with its marks, or the parts of a Hangul syllable.
_CLUSTER = re.compile(
    "[\u1100-\u115f][\u1160-\u11a7]?[\u11a8-\u11ff]?|[^\u0300-\u036f\u3099\u309a][\u0300-\u036f\u3099\u309a]*"
    "|[\u0300-\u036f\u3099\u309a]+",
    re.DOTALL,
)


class TermsSettings(InspectorSettings):
    """A file of terms: UTF-8, one a line, `#` begins a comment line."""

    kind: Literal["terms"]
    file: LocalPath = Field(description="The list, relative to the configuration file")
    name: str = Field(
        default="list",
        pattern=r"^[a-z0-9_]{1,40}$",
        description="Name of the list; findings have the rule id terms.<name>",
    )
    roles: tuple[Role, ...] = Field(
        default=(Role.USER, Role.ASSISTANT, Role.TOOL),
        description="Whose text is searched: system, user, assistant, tool",
    )


class TermsInspector:
    """Finds terms as whole words, whatever their case, width, composition or hidden characters.

    Compared are NFKC case-folded texts (Unicode, default caseless matching) without default-ignorable characters, in
    which every run of other than letters, digits and marks is one space. Terms that begin or end in a script without
    spaces need no word boundary there; one that ends in Hangul needs none at its end, where particles follow.
    """

    def __init__(self, settings: TermsSettings) -> None:
        self._rule = f"terms.{settings.name}"
        self._action = settings.action
        self._roles = frozenset(settings.roles)
        terms = _read_terms(settings.file)
        self._lengths = [len(term) for term in terms]
        self._scanner = Scanner([_pattern(term) for term in terms])

    def inspect(self, prompt: Prompt) -> Iterator[Finding]:
        """One finding for each term in each segment, at its first place."""
        for index, segment in enumerate(prompt.segments):
            if segment.role in self._roles:
                yield from self._search(segment.text, index)

    def _search(self, text: str, index: int) -> Iterator[Finding]:
        words = text.encode().translate(_ASCII_FOLD).split() if text.isascii() else fold(text).encode().split()
        data = b" %b " % b" ".join(words)
        hits = self._scanner.scan(data)
        if not hits:
            return
        origins = _origins(text)
        for pattern, end in hits:
            # A match has its boundaries inside; the space in front of the text shifts everything by one.
            last = len(data[:end].decode()) - 1 - (data[end - 1] == 0x20)
            first = last - self._lengths[pattern]
            yield Finding(
                rule=self._rule,
                category="terms",
                severity="medium",
                score=1.0,
                action=self._action,
                segment=index,
                start=origins[min(first, len(origins) - 1)][0],
                end=origins[min(last, len(origins)) - 1][1],
            )


class _Fold(dict[int, str | None]):
    """What a folded character counts as; filled as characters are met, so bounded by Unicode."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        category = unicodedata.category(character)
        kept: str | None = character
        if (
            category == "Cf"
            or 0xFE00 <= code <= 0xFE0F
            or 0xE0100 <= code <= 0xE01EF
            or code in (0x34F, 0x115F, 0x1160)
        ):
            kept = None
        elif category[0] not in "LNM":
            kept = " "
        self[code] = kept
        return kept


_FOLD = _Fold()


def fold(text: str) -> str:
    """The text as terms are compared: case-folded, in NFKC, without invisibles, spaces for all that is no word."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return folded.translate(_FOLD)


def _origins(text: str) -> list[tuple[int, int]]:
    """For each character of the folded words, one space between them, the (start, end) in `text` that it came from."""
    origins: list[tuple[int, int]] = []
    spaced = True
    for cluster in _CLUSTER.finditer(text):
        for character in fold(cluster[0]):
            if character != " " or not spaced:
                origins.append(cluster.span())
            spaced = character == " "
    return origins


def _pattern(term: str) -> bytes:
    """The term and its boundaries, as a plain literal: thousands of those compile in no time."""
    opening = "" if _UNSPACED.match(term[0]) else " "
    closing = "" if _UNSPACED.match(term[-1]) or _HANGUL.match(term[-1]) else " "
    return re.escape(f"{opening}{term}{closing}").encode()


def _read_terms(file: Path) -> list[str]:
    """The folded terms of a list, each once. Raises ConfigurationError naming the file and what to do."""
    try:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise ConfigurationError(str(file), "", f"cannot be read: {error.strerror}", "check inspectors.file") from None
    if len(content) > _LARGEST_FILE:
        raise ConfigurationError(str(file), "", "is larger than 4 MiB", "split it over several inspectors")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(str(file), "", f"is not UTF-8 at byte {error.start}", "save it as UTF-8") from None
    lines = (line.strip() for line in text.splitlines())
    folded = (" ".join(fold(line).split()) for line in lines if line and not line.startswith("#"))
    terms = list(dict.fromkeys(term for term in folded if term))
    if not terms:
        raise ConfigurationError(str(file), "", "holds no terms", "write one a line, or leave the inspector out")
    return terms

"""Words taken apart or run together: spaced letters, tags inside words, joined strings, no spaces at all."""

from __future__ import annotations

import re
from importlib import resources

import re2

from sidecar.inspection.decoders.decoder import Reading

_GAP = r"[ .,\-_*|/~+:;'\"`\n\t\u00b7=#^\\]"
_SPACED = re.compile(rf"(?<!\w)\w(?:{_GAP}{{1,3}}\w(?!\w)){{4,}}")
_WIDE = re.compile(rf"(?:\s{{2,}}|\s*[/|]\s*|\s{_GAP}\s|[-_.*\\] [-_.*\\]?)")
_NO_LETTER = re.compile(r"[\W_]+")
# The look-ahead names every first character: without it, each alternative is tried at each place.
_INSIDE = re.compile(
    r"(?=[<\-*`_\[\](){}])(?:(?<=\w)<!--.{0,60}?-->(?=\w)|<!--|-->|</?[a-zA-Z][^<>]{0,200}/?>|\*{1,3}|`{1,3}"
    r"|(?<=\w)_{1,2}(?=\w)|[\[\](){}](?=\w)|(?<=\w)[\[\](){}])",
    re.DOTALL,
)
_JOINED = re.compile(r"[\"'`]\s{0,3}(?:\+|\.|\|\||&|,|\.\.)?\s{0,3}[\"'`]")
_STRING = re.compile(r"\"([^\"\n]{1,400})\"|'([^'\n]{1,400})'|`([^`\n]{1,400})`")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[a-zA-Z])[._\-/\\|~*](?=[a-zA-Z])")
_LONG = re.compile(r"[a-zA-Z]{12,400}")
_HYPHEN = re.compile(r"(?<=[a-zA-Z])-\n?(?=[a-zA-Z])")
_STRETCHED = re.compile(r"([a-zA-Z])\1{2,}")


def _vocabulary() -> re2.Pattern:
    words = resources.files(__package__).joinpath("words.txt").read_text("utf-8").split()
    return re2.compile("(?i)" + "|".join(sorted(words, key=lambda word: (-len(word), word))))


_KNOWN_WORD = _vocabulary()


def segment(text: str) -> str:
    """Put spaces between the words of letters that were run together, the longest known word first."""
    return str(_KNOWN_WORD.sub(lambda match: f" {match[0]} ", text))


def _spaced(text: str) -> str | None:
    """`i g n o r e`, `i.g.n.o.r.e`: letters apart; a wider gap is a gap between words."""

    def together(match: re.Match[str]) -> str:
        words = [_NO_LETTER.sub("", word) for word in _WIDE.split(match[0])]
        if len(words) * 2 > sum(map(len, words)):  # every gap is wide
            words = ["".join(words)]
        return " " + " ".join(segment(word) if len(word) > 8 else word for word in words) + " "

    read = _SPACED.sub(together, text)
    return None if read == text else read


def _unwrapped(text: str) -> str | None:
    """`ig<b>no</b>re`, `**ig**nore`: mark-up inside words."""
    read = _INSIDE.sub("", text)
    return None if read == text else read


def _joined(text: str) -> str | None:
    """`'ign' + 'ore'`: the string that the pieces make; and all strings one after the other."""
    read = _JOINED.sub("", text)
    strings = [next(filter(None, found)) for found in _STRING.findall(text)]
    if len(strings) > 1:
        read += "\n" + "".join(strings) + "\n" + " ".join(strings)
    return None if read == text else read


def _run_together(text: str) -> str | None:
    """`ignoreallpreviousinstructions`, `IgnorePrevious`, `ignore_previous`."""
    read = _LONG.sub(lambda match: segment(match[0]), _CAMEL.sub(" ", text))
    return None if read == text else read


def _stretched(text: str) -> str | None:
    """`iiignooore`: a letter more than twice is one letter."""
    read = _STRETCHED.sub(r"\1", text)
    return None if read == text else read


def _dehyphenated(text: str) -> str | None:
    """`ign-ore pre-vious`: syllables."""
    read = _HYPHEN.sub("", text)
    return None if read == text else read


_HINTS = "ignor|disregard|forget|instruction|prompt|previous|reveal|system|override|password|pretend|secret|rules"

SPACING = (
    Reading(
        "spaced",
        (
            r"(?:^|[^a-z0-9])[a-z0-9](?:[^a-z0-9]{1,3}[a-z0-9]){5}(?:[^a-z0-9]|$)",
            r"(?:[\xc2-\xf4][\x80-\xbf]{1,3}[ .\-_*]{1,3}){6}",
        ),
        _spaced,
        certain=True,
        local=True,
    ),
    Reading(
        "unwrapped",
        (
            r"[a-z](?:<[!/a-z]|(?:\*{1,3}|`{1,3})[a-z])",
            r"[\[({][a-z]{1,12}[\])}][a-z]",
            r"(?:[a-z][\[({][a-z]{1,3}[\])}].{0,24}){2}",
        ),
        _unwrapped,
        certain=True,
        local=True,
    ),
    Reading(
        "joined",
        (
            r"[\"'`] {0,3}(?:\+|\.|\|\||&|,|\.\.) {0,3}[\"'`]",
            r"[\"'`] {0,2}[;\n,] {0,2}[a-z0-9_]{1,12} {0,2}= {0,2}[\"'`]",
        ),
        _joined,
        local=True,
    ),
    Reading(
        "run_together",
        (rf"[a-z_](?:{_HINTS})[a-z_]{{3}}", rf"(?:{_HINTS})[a-z._\-/|~]{{6}}", rf"[a-z]{{3}}(?:{_HINTS})"),
        _run_together,
        local=True,
    ),
    Reading("dehyphenated", (r"(?:[a-z]-[a-z].{0,24}){3}",), _dehyphenated, certain=True, local=True),
    Reading("stretched", (r"i{3}|g{3}|n{3}|o{3}|r{3}|e{3}|s{3}|t{3}|v{3}|u{3}|p{3}|m{3}",), _stretched, local=True),
)

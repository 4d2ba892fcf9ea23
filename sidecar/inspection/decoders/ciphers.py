"""Letters put in the place of others: Caesar, Atbash, leet, reversed, pig Latin."""

from __future__ import annotations

import re
import string

from sidecar.inspection.decoders.decoder import Reading

# Words that attacks can't do without; a text that has one of them *shifted* or *reversed* is read that way.
_TELLING = (
    "ignore",
    "instruction",
    "previous",
    "disregard",
    "system prompt",
    "prompt",
    "forget",
    "reveal",
    "password",
    "override",
    "restrictions",
    "guidelines",
    "secret",
    "pretend",
    "anything",
    "developer mode",
    "everything",
    "your rules",
)
# Words that every longer English text has, and that are no words when shifted or reversed.
_COMMON = ("your", "this", "with", "from", "that", "what", "have")
_LOWER, _UPPER = string.ascii_lowercase, string.ascii_uppercase
_WORD = re.compile(r"[^\W\d_]+")


def _shift(by: int) -> dict[int, int]:
    return str.maketrans(_LOWER + _UPPER, _LOWER[by:] + _LOWER[:by] + _UPPER[by:] + _UPPER[:by])


_ELSEWHERE = (
    "anweisung vergiss consignes oublie olvida ignora instrucciones instrucoes istruzioni instruksi abaikan talimat "
    "\u0438\u0433\u043d\u043e\u0440\u0438\u0440 \u0437\u0430\u0431\u0443\u0434 "
    "\u0438\u043d\u0441\u0442\u0440\u0443\u043a\u0446 忽略 无视 無視 指令 提示词 指示 プロンプト 무시하 지시 "
    "\u062a\u062c\u0627\u0647\u0644 \u062a\u0639\u0644\u064a\u0645\u0627\u062a"
)
_REVERSED = (
    *(word[::-1] for word in (*_TELLING, *_ELSEWHERE.split())),
    *(f" {word[::-1]} " for word in ("the", "please", *_COMMON)),
)
_ATBASH = str.maketrans(_LOWER + _UPPER, _LOWER[::-1] + _UPPER[::-1])


def _escaped(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(re.sub(r"([^a-z ])", r"\\\1", word) for word in words)


def _caesar(by: int) -> Reading:
    """Shifted by `by` places; rot13 is its own inverse."""
    back = _shift(26 - by)
    table = _shift(by)
    return Reading(
        "rot13" if by == 13 else "caesar",
        (
            *(word.translate(table) for word in _TELLING if len(word) > 5),
            *(f" {word.translate(table)} " for word in _COMMON),
            *((" gur ", " naq ", "cyrnfr") if by == 13 else ()),
        ),
        lambda text: text.translate(back),
    )


_LEET = str.maketrans(
    {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "6": "g", "7": "t", "8": "b", "9": "g", "@": "a", "$": "s"}
    | {"!": "i", "|": "l", "+": "t", "\u20ac": "e", "\u00a3": "l"}
)
_LEET_WORD = re.compile(r"(?<![a-zA-Z])[a-zA-Z]*+[\d@$!|+\u20ac\u00a3][\w@$!|+\u20ac\u00a3]{0,40}")
_LETTER = re.compile("[a-zA-Z]")


def _leet_word(match: re.Match[str]) -> str:
    word = match[0]
    core = word.rstrip("!|+")
    return core.translate(_LEET) + word[len(core) :] if _LETTER.search(core) else word


def _leet(text: str) -> str | None:
    read = _LEET_WORD.sub(_leet_word, text)
    return None if read == text else read


def _reversed(text: str) -> str:
    return text[::-1]


def _words_reversed(text: str) -> str:
    return _WORD.sub(lambda match: match[0][::-1], text)


def _order_reversed(text: str) -> str:
    return " ".join(text.split()[::-1])


_PIG_WORD = re.compile(r"[a-zA-Z]+(?:-[a-zA-Z]+)?")


def _pig_latin(text: str) -> str:
    """`ignoreway allway eviouspray`: the ending says which letters stood first."""

    def back(match: re.Match[str]) -> str:
        word = match[0].lower()
        if not word.endswith("ay") or len(word) < 4:
            return match[0]
        if word.endswith(("way", "yay")):
            return word[:-3].rstrip("-")
        body = word[:-2]
        end = len(body)
        while end > 1 and body[end - 1] not in "aeiou-" and len(body) - end < 3:
            end -= 1
        first = _onset(body, end)
        return body[first:].lstrip("-") + body[:first].rstrip("-")

    return _PIG_WORD.sub(back, text)


def _onset(body: str, end: int) -> int:
    """Where the consonants that were moved to the end begin: the longest run that can open an English word."""
    for first in range(end, len(body)):
        if body[first:].lstrip("-") in _ONSETS:
            return first
    return len(body) - 1


_ONSETS = frozenset(
    [*"bcdfghjklmnpqrstvwxyz", "bl", "br", "ch", "cl", "cr", "dr", "fl", "fr", "gl", "gr", "ph", "pl", "pr", "qu", "sc"]
)
_ONSETS |= {"sh", "sk", "sl", "sm", "sn", "sp", "st", "sw", "th", "tr", "tw", "wh", "wr", "scr", "shr", "spl", "str"}

CIPHERS = (
    *(_caesar(by) for by in range(1, 26)),
    Reading(
        "atbash", tuple(word.translate(_ATBASH) for word in _TELLING if len(word) > 5), lambda t: t.translate(_ATBASH)
    ),
    Reading("reversed", _REVERSED, _reversed),
    Reading("words_reversed", _REVERSED, _words_reversed),
    Reading(
        "order_reversed",
        (
            r"\b(?:instructions|prompt|rules|guidelines)[^a-z]{1,3}(?:previous|prior|system|above|your|all|these|the)\b",
            r"\b(?:ignore|disregard|forget|override|pretend|reveal)[^a-z]{0,4}$",
        ),
        _order_reversed,
    ),
    Reading(
        "leet",
        (
            r"[a-z][0134578@$!|+][a-z].{0,30}[a-z0-9@$!|+][0134578@$!|+][a-z]",
            r"[a-z][0134578@$!|][0-9a-z@$!|][0134578@$!|]",
            r"\b[0134578@$!|][a-z]{2}.{0,40}[a-z][0134578@$!|][a-z]",
        ),
        _leet,
        certain=True,
        local=True,
    ),
    Reading("pig_latin", (r"(?:\b[a-z]{2,14}ay\b[^a-z]{1,3}(?:[a-z]{1,3}[^a-z]{1,3})?){4}",), _pig_latin),
)

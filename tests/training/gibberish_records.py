"""Records that machines write, and what becomes of code and of sentences on their way into a prompt."""

from __future__ import annotations

import base64
import html
import json
import random
import re
import string
import urllib.parse
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import yaml

from tests.training.grammar import expand

_GRAMMAR: Final = Path(__file__).with_name("records.yaml")
_DRAWN: Final = 2000  # values that each slot can take
_WORDS: Final = [
    "alpha",
    "account",
    "balance",
    "cache",
    "client",
    "commit",
    "count",
    "customer",
    "data",
    "delta",
    "error",
    "event",
    "field",
    "file",
    "filter",
    "group",
    "handler",
    "header",
    "host",
    "index",
    "invoice",
    "item",
    "key",
    "label",
    "level",
    "limit",
    "list",
    "lock",
    "message",
    "method",
    "metric",
    "model",
    "name",
    "node",
    "offset",
    "order",
    "owner",
    "page",
    "parser",
    "path",
    "payload",
    "policy",
    "port",
    "price",
    "process",
    "query",
    "queue",
    "rate",
    "record",
    "region",
    "request",
    "response",
    "result",
    "role",
    "route",
    "rule",
    "schema",
    "score",
    "server",
    "service",
    "session",
    "shard",
    "size",
    "source",
    "stage",
    "state",
    "status",
    "stream",
    "string",
    "table",
    "target",
    "task",
    "tenant",
    "test",
    "thread",
    "time",
    "token",
    "total",
    "trace",
    "type",
    "update",
    "upload",
    "user",
    "value",
    "vector",
    "version",
    "view",
    "widget",
]


def records(count: int, rng: random.Random) -> dict[str, list[str]]:
    """`count` records of each kind in records.yaml, each of several parts."""
    raw: dict[str, Any] = yaml.safe_load(_GRAMMAR.read_text(encoding="utf-8"))
    slots: dict[str, list[str]] = raw["slots"] | {
        name: [draw(rng) for _ in range(_DRAWN)] for name, draw in _SLOTS.items()
    }
    made: dict[str, list[str]] = {}
    for kind, rule in raw["records"].items():
        # Half of the records use one or two templates alone: a log is of one format, a table of one width.
        made[kind] = []
        for _ in range(count):
            templates = rng.sample(rule["templates"], min(len(rule["templates"]), rng.choice((1, 2, 9))))
            parts = [expand(rng.choice(templates), slots, rng) for _ in range(rng.randint(*rule["parts"]))]
            made[kind].append(rule.get("join", "\n").join(parts))
    return made


def _words(rng: random.Random, count: int, join: str = " ") -> str:
    return join.join(rng.choice(_WORDS) for _ in range(count))


def _name(rng: random.Random) -> str:
    style = rng.randrange(5)
    words = [rng.choice(_WORDS) for _ in range(rng.randint(1, 3))]
    if style == 0:
        return "_".join(words)
    if style == 1:
        return "-".join(words)
    if style == 2:
        return words[0] + "".join(word.title() for word in words[1:])
    return "".join(word.title() for word in words) if style == 3 else "_".join(words).upper()


def _letters(letters: str, low: int, high: int) -> Callable[[random.Random], str]:
    return lambda rng: "".join(rng.choices(letters, k=rng.randint(low, high)))


def _stamp(rng: random.Random) -> str:
    date = f"20{rng.randint(10, 29)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
    time = f"{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}"
    return rng.choice(
        (f"{date}T{time}Z", f"{date} {time},{rng.randrange(1000):03}", date, f"{date}T{time}.123456+00:00")
    )


def _id(rng: random.Random) -> str:
    kind = rng.randrange(4)
    if kind == 0:
        return str(uuid.UUID(bytes=rng.randbytes(16)))
    if kind == 1:
        return rng.randbytes(rng.randint(4, 32)).hex()
    if kind == 2:
        return base64.urlsafe_b64encode(rng.randbytes(rng.randint(6, 40))).decode().rstrip("=")
    return "".join(rng.choice(string.ascii_letters + string.digits) for _ in range(rng.randint(8, 40)))


_SLOTS: Final[dict[str, Callable[[random.Random], str]]] = {
    "word": lambda rng: rng.choice(_WORDS),
    "words": lambda rng: _words(rng, rng.randint(2, 6)),
    "name": _name,
    "Type": lambda rng: "".join(rng.choice(_WORDS).title() for _ in range(rng.randint(1, 3))),
    "number": lambda rng: str(rng.randrange(10 ** rng.randint(1, 6))),
    "hex": lambda rng: rng.randbytes(rng.choice((2, 3, 4, 8, 16, 32))).hex(),
    "id": _id,
    "base64": lambda rng: base64.b64encode(rng.randbytes(rng.randint(12, 300))).decode(),
    "stamp": _stamp,
    "secret": lambda rng: re.sub(
        r"[{}]", "#", _letters(string.ascii_letters + string.digits + string.punctuation, 8, 24)(rng)
    ),
    "residues": _letters("ACDEFGHIKLMNPQRSTVWY", 10, 80),
    "nucleotides": _letters("ACGT", 10, 80),
}


def _diff(text: str, rng: random.Random) -> str:
    lines = [rng.choice((" ", " ", " ", "+", "-")) + line for line in text.split("\n")]
    name = f"{_words(rng, 2, '/')}.{rng.choice(_WORDS)[:2]}"
    return (
        f"diff --git a/{name} b/{name}\nindex {rng.randbytes(4).hex()[:7]}..{rng.randbytes(4).hex()[:7]} 100644\n--- a/{name}\n+++ b/{name}\n@@ -{rng.randrange(999)},{rng.randrange(30)} +{rng.randrange(999)},{rng.randrange(30)} @@ {lines[0][1:60]}\n"
        + "\n".join(lines)
    )


def _minified(text: str, rng: random.Random) -> str:
    """Line ends and needless spaces taken out, and longer names shortened."""
    text = re.sub(r"\s+", " ", text)
    text = re.sub(r" ?([^\w\s]) ?", r"\1", text)
    names = {
        name: "".join(rng.choice(string.ascii_letters) for _ in range(rng.randint(1, 2)))
        for name in re.findall(r"\b[a-z]\w{4,}\b", text)
    }
    keep = {
        "function",
        "return",
        "const",
        "while",
        "class",
        "import",
        "public",
        "static",
        "string",
        "false",
        "break",
        "catch",
        "throw",
        "typeof",
        "undefined",
        "length",
        "prototype",
    }
    short = rng.random()
    return re.sub(
        r"\b[a-z]\w{4,}\b",
        lambda match: match[0] if match[0] in keep or len(match[0]) * 7 % 10 > short * 10 else names[match[0]],
        text,
    )


def _typos(text: str, rng: random.Random) -> str:
    words = text[:900].lower().split()
    short = {
        "you": "u",
        "are": "r",
        "please": "pls",
        "thanks": "thx",
        "for": "4",
        "to": "2",
        "because": "bc",
        "what": "wat",
        "with": "w/",
        "about": "abt",
        "people": "ppl",
        "before": "b4",
        "though": "tho",
    }
    for index, word in enumerate(words):
        if rng.random() < 0.25 and len(word) > 3:
            at = rng.randrange(len(word) - 1)
            words[index] = rng.choice(
                (
                    word[:at] + word[at + 1 :],
                    word[:at] + word[at + 1] + word[at] + word[at + 2 :],
                    word[:at] + word[at] * 2 + word[at:],
                    word[:at] + rng.choice(string.ascii_lowercase) + word[at + 1 :],
                )
            )
        elif rng.random() < 0.6:
            words[index] = short.get(word, word)
        if rng.random() < 0.06:
            words[index] += rng.choice(("...", "!!", "??", " lol", " omg", " :)", " xD", "!!1", " :((", " <3", "?!"))
    return " ".join(words).replace("'", "" if rng.random() < 0.5 else "'")


def _spaced(text: str, rng: random.Random) -> str:
    return re.sub(r" ", lambda _: "" if rng.random() < 0.06 else rng.choice((" ", " ", "  ", "\n")), text[:900])


def _hashtags(text: str, rng: random.Random) -> str:
    emoji = "😀🔥🙏🎉👍💯✨😂🚀❤️🇩🇪👩‍💻"
    words = [
        f"#{word.strip(string.punctuation).title()}" if rng.random() < 0.2 else word for word in text[:500].split()
    ]
    tags = " ".join(f"#{_name(rng).replace('-', '')}" for _ in range(rng.randint(2, 9)))
    return (
        " ".join(word + (rng.choice(emoji) * rng.randint(1, 3) if rng.random() < 0.1 else "") for word in words)
        + " "
        + tags
    )


def _listed(text: str, rng: random.Random) -> str:
    """Keywords, abbreviations, recipes, addresses: short things between signs."""
    words = [word.strip(string.punctuation) for word in text.split() if len(word) > 2][:80]
    kind = rng.randrange(5)
    if kind == 0:
        return rng.choice((", ", "; ", " / ", " | ", " · ", "\n- ")).join(words)
    if kind == 1:
        return ", ".join("".join(letter.upper() + "." for letter in word[: rng.randint(2, 4)]) for word in words[:30])
    if kind == 2:
        return " ".join(f"({index}) {word}" if rng.random() < 0.3 else word for index, word in enumerate(words))
    if kind == 3:
        return "\n".join(
            f"{index}. {' '.join(words[index : index + 3]).title()} ({rng.randrange(1900, 2030)}) — {rng.randrange(99)}%"
            for index in range(0, len(words) - 3, 4)
        )
    return " ".join(
        f"{word}: {rng.randrange(99)}{rng.choice(('g', 'ml', ' EUR', '%', 'x', 'km/h'))}," for word in words
    )


def _keywords(text: str, rng: random.Random) -> str:
    """The names in some code, as lists of keywords stand in grammars, exports and stop lists."""
    names = sorted(set(re.findall(r"[A-Za-z_@$][\w.-]{2,}", text)))
    rng.shuffle(names)
    sign = rng.choice((" ", " ", " ", "\n", ", ", ",", "|", "\t", '", "', "', '", " | ", "\n  - ", ";"))
    width = rng.randint(3, 12)
    word = rng.choice(names or ["name"])
    head = rng.choice(
        ("", "", f"{_words(rng, 3)} ", f"{word} {_name(rng)} ", f"  {word} ", "\t", f"{_name(rng)}: ", '"')
    )
    return "\n".join(head + sign.join(names[at : at + width]) for at in range(0, min(len(names), 90), width))


def _authors(text: str, rng: random.Random) -> str:
    """Words as names of people, with nicknames, companies and mail addresses."""
    words = re.findall(r"[^\W\d_]{3,}", text)[:90]
    rng.shuffle(words)
    style = rng.randrange(5)
    lines = []
    for index in range(0, len(words) - 2, 2):
        name = " ".join(word.title() for word in words[index : index + rng.randint(1, 2)])
        if style == 1:
            name += f" <{words[index].lower()}@{words[index + 1].lower()}.{rng.choice(('org', 'com', 'de'))}>"
        elif style == 2 and rng.random() < 0.4:
            name += f" ({words[index + 2].title()})"
        elif style == 3 and rng.random() < 0.4:
            name = words[index].lower() + rng.choice(("", "_", "-", "42")) + words[index + 1][:4].lower()
        lines.append(name)
    return rng.choice(("\n", "\n", ", ", "; ", "\n* ")).join(lines)


def _camel(text: str, rng: random.Random) -> str:
    """Statements with names of many words, as in generated interfaces."""
    words = [word.title() for word in re.findall(r"[a-z]{3,12}", text)[:120]] or ["Name"]
    made = ["".join(rng.choice(words) for _ in range(rng.randint(2, 8))) for _ in range(rng.randint(2, 14))]
    forms = (
        "import {{ {0} }} from './{1}';",
        "class {0}(BaseModel):",
        '__all__ = ["{0}"]',
        "{0} x = new {1}({0}.class);",
        "#define {0} {1}",
        "{0}, {1},",
        '"type": "{0}",',
        "export type {0} = {1} | null;",
        "    {0}: {1}",
        "{0} {1} {0}",
    )
    return "\n".join(rng.choice(forms).format(rng.choice(made), rng.choice(made)) for _ in range(rng.randint(3, 14)))


def mixed(sentence: str, code: str, rng: random.Random) -> str:
    """A sentence with names from some code within: how people write about software where the script is not Latin."""
    names = re.findall(r"[A-Za-z][\w.]{2,}|[A-Z][a-z]+ [A-Z]\w+", code) or ["API"]
    words = re.findall(r"\w{1,6}|\W", sentence)
    share = rng.choice((0.05, 0.1, 0.2))
    sign = rng.choice(("", " ", "、", ", ", "，", " / "))
    for index in range(len(words)):
        if rng.random() < share:
            words[index] += rng.choice(("", " ", "「", "“")) + sign.join(rng.choices(names, k=rng.randint(1, 5)))
    return "".join(words)


CHANGES: Final[dict[str, Callable[[str, random.Random], str]]] = {
    "diff": _diff,
    "minified": _minified,
    "json_escaped": lambda text, rng: json.dumps({_name(rng): text}),
    "html_escaped": lambda text, _: html.escape(text),
    "percent": lambda text, rng: f"https://example.com/{_name(rng)}?q=" + urllib.parse.quote(text[:400]),
    "one_line": lambda text, _: " ".join(text.split()),
    "keywords": _keywords,
    "repeated": lambda text, rng: "\n".join([text[: rng.randint(60, 400)]] * rng.randint(2, 6)),
    "camel": _camel,
    "fenced": lambda text, rng: f"{_words(rng, 6).capitalize()}:\n```\n{text}\n```\nWhy does it fail?",
}
"""What becomes of code on its way into a prompt."""

CHATS: Final[dict[str, Callable[[str, random.Random], str]]] = {
    "typos": _typos,
    "spaced": _spaced,
    "capitals": lambda text, _: text[:900].upper(),
    "titles": lambda text, _: text[:900].title(),
    "hashtags": _hashtags,
    "lists": _listed,
    "again": lambda text, rng: " ".join([text[: rng.randint(60, 300)]] * rng.randint(2, 6)),
    "authors": _authors,
    "stems": _keywords,
}
"""What becomes of sentences when people are in a hurry, or not writing sentences."""

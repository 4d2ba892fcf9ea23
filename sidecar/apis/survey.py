"""What a body of an unknown API asks for, as far as the names of its members tell."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.apis.text import ROLES_OF_MEMBERS, Object
from sidecar.prompt import Role

# Without underscores and in lower case, so that one spelling stands for all.
_LIMITS = frozenset(
    {"maxtokens", "maxcompletiontokens", "maxoutputtokens", "maxnewtokens", "maxtokenstosample", "maxgenlen",
     "maxtokencount", "maxlength", "numpredict", "npredict"}
)  # fmt: skip
_CHOICES = frozenset({"n", "bestof", "candidatecount", "numreturnsequences", "numgenerations", "samplecount"})
_MESSAGES = frozenset({"messages", "contents", "chathistory"})
_IMAGES = frozenset({"image", "images", "imageurl", "imagedata", "inlinedata"})
_INPUT_IDS = frozenset({"inputids", "inputembeds", "prompt", "prompts", "promptembeds", "prompttokenids", "tokenids"})
_SYSTEM_AUTHORS = frozenset({"system", "developer"})
_NUMBERS = frozenset({int, float})
_CONTAINERS = frozenset({dict, list})


def _fold(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


_SYSTEM = frozenset(_fold(name) for name, role in ROLES_OF_MEMBERS.items() if role is Role.SYSTEM)


@dataclass(slots=True)
class Survey:
    """The fields of the same names in Prompt. Of several numbers the largest, of several lists all together."""

    max_output_tokens: int | None = None
    choices: int = 1
    messages: int = 0
    images: int = 0
    tools: int = 0
    input_ids: int = 0
    claims_system: bool = False


def survey(value: object) -> Survey:
    """Look through a decoded body, objects in lists and in objects included. Linear."""
    found = Survey()
    level = [value]
    while level:
        below: list[object] = []
        for node in level:
            if type(node) is dict:
                _survey_object(node, found)
                below += [inner for inner in node.values() if type(inner) in _CONTAINERS]
            elif type(node) is list:
                below += [inner for inner in node if type(inner) in _CONTAINERS]
        level = below
    return found


def _survey_object(fields: Object, found: Survey) -> None:
    author = fields.get("role")
    if type(author) is str and author.strip().lower() in _SYSTEM_AUTHORS:
        found.claims_system = True
    for exact, value in fields.items():
        name = _fold(exact)
        if name in _SYSTEM:
            found.claims_system |= bool(value)
        elif type(value) is int:
            _survey_number(name, value, found)
        elif type(value) is list:
            _survey_list(name, value, found)
        elif name in _IMAGES:
            found.images += 1
        elif name == "promptembeds":
            found.input_ids += 1


def _survey_number(name: str, value: int, found: Survey) -> None:
    if name in _LIMITS:
        found.max_output_tokens = max(value, found.max_output_tokens or 0)
    elif name in _CHOICES:
        found.choices = max(value, found.choices)


def _survey_list(name: str, value: list[object], found: Survey) -> None:
    if name in _MESSAGES:
        found.messages += len(value)
    elif name == "tools":
        found.tools += len(value)
    elif name in _IMAGES:
        found.images += len(value)
    elif name in _INPUT_IDS:
        found.input_ids += _count_numbers(value)


def _count_numbers(value: list[object]) -> int:
    if value and _NUMBERS.issuperset(map(type, value)):
        return len(value)
    return sum(_count_numbers(inner) for inner in value if type(inner) is list)

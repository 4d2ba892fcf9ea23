"""Collecting the text of a decoded JSON value, with the role and the place of each run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Final

from sidecar.errors import InvalidBody
from sidecar.prompt import Role, Segment

Object = dict[str, object]

_LONGEST_STEP = 40
_LONGEST_PATH = 200
_LONG_LIST = 64
_READABLE = frozenset({str, dict, list})
_NOTHING: frozenset[str] = frozenset()

# A model that is shown an object reads its names. Longer ones can say something.
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_$.@:/\[\]-]{0,20}\Z")
# A value from a closed set, where one is expected: `low`, `mp3`, `1024x1024`.
_WORD = re.compile(r"[A-Za-z0-9_.:-]{0,16}\Z")
_HANDLES = frozenset({"call_id", "tool_call_id", "tool_use_id"})
_HANDLE = re.compile(
    r"(?:[A-Za-z]{1,12}[_-]|chatcmpl-tool-|[a-z]{1,9}_(?:bdrk|vrtx)_)?"
    r"(?:[A-Za-z0-9]{0,12}|(?=[A-Za-z]*[0-9])[A-Za-z0-9]{13,56}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\Z"
)
_KIND_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        adaptive advisor allowed any apply approval approximate array assistant audio auto base64 bash block
        boolean bytes call char citation citations code compaction computer config container content context
        count custom delta disabled document editor embedding embeds enabled ephemeral error execution fetch
        file find function generation grammar id image input integer interpreter item json lark list local
        location mcp memory message mode none null number object output page patch preview prompt reasoning
        redacted reference refusal regex request required response result schema screenshot search server shell
        source string structured summary system text think thinking tokens tool tools type update upload url use
        user video web
        """,
    )
)
_WORD_ENDS = re.compile(r"[_.-]")

# What other members of a body are by their names, in the servers that know them.
ROLES_OF_MEMBERS: Final[Mapping[str, Role]] = dict.fromkeys(
    ("system", "system_prompt", "systemPrompt", "system_instruction", "systemInstruction", "system_instructions",
     "system_message", "instructions", "additional_instructions", "preamble", "preamble_override",
     "template", "chat_template", "chat_template_kwargs"),
    Role.SYSTEM,
) | {"documents": Role.TOOL, "tool_results": Role.TOOL}  # fmt: skip
_WRAPPERS = frozenset({"extra_body", "additionalModelRequestFields"})


def collect(value: object, role: Role, path: str, into: list[Segment], *, skip: frozenset[str] = _NOTHING) -> None:
    """Append every string in `value`, depth first, except below the names in `skip` at the top level.

    Member names are text too when they are no plain identifier: a model that is shown an object reads them. Left out
    are the handles that link objects, and their kinds. A long list of strings is one segment, line by line.
    """
    if type(value) is str:
        if value:
            into.append(Segment(role, value, path))
    elif type(value) is list:
        if len(value) > _LONG_LIST and set(map(type, value)) == {str}:
            into.append(Segment(role, "\n".join(value), path))
            return
        for index, inner in enumerate(value):
            if type(inner) in _READABLE:
                collect(inner, role, below(path, f"[{index}]"), into)
    elif type(value) is dict:
        _collect_members(value, role, path, into, skip)


def _collect_members(value: Object, role: Role, path: str, into: list[Segment], skip: frozenset[str]) -> None:
    for name, inner in value.items():
        if name in skip:
            continue
        read_name(name, role, path, into)
        if type(inner) in _READABLE and not (type(inner) is str and _is_structure(value, name, inner)):
            collect(inner, role, below(path, f".{name}" if path else name), into)


def read_name(name: str, role: Role, path: str, into: list[Segment]) -> None:
    """Append the name of a member when it is more than an identifier."""
    if not _PLAIN_NAME.match(name):
        into.append(Segment(role, name, below(path, ".~")))


def _is_structure(parent: Object, name: str, value: str) -> bool:
    """Whether a string only tells what kind of object it is in, or which one."""
    if name == "type":
        return _is_kind(value)
    if name in _HANDLES or (name == "id" and ("type" in parent or "function" in parent)):
        return _HANDLE.match(value) is not None
    return False


@lru_cache(maxsize=1024)
def _is_kind(value: str) -> bool:
    return len(value) <= 64 and all(word in _KIND_WORDS or word.isdigit() for word in _WORD_ENDS.split(value))


def collect_joined(definitions: list[Object], role: Role, path: str, into: list[Segment]) -> None:
    """Append one segment for each definition, its strings line by line: schemas are made of very many short ones."""
    for index, definition in enumerate(definitions):
        strings: list[Segment] = []
        collect(definition, role, "", strings)
        if strings:
            into.append(Segment(role, "\n".join(one.text for one in strings), f"{path}[{index}]"))


def collect_rest(
    fields: Object, into: list[Segment], *, read: frozenset[str], plain: frozenset[str] = _NOTHING
) -> None:
    """Append the text of the members that nobody has read yet, as the user's unless their name says otherwise.

    `read` are the names to leave out. Those in `plain` hold a word from a closed set, and are left out if they do.
    """
    for name, value in fields.items():
        if name in read or (type(value) not in _READABLE and name in plain):
            continue
        if name in plain and is_word(value):
            continue
        role = ROLES_OF_MEMBERS.get(name, Role.USER)
        read_name(name, role, "", into)
        if name in _WRAPPERS and type(value) is dict:
            collect_rest(value, into, read=_NOTHING)
        else:
            collect(value, role, below("", name), into)


def is_word(value: object) -> bool:
    """Whether `value` is one short word, or a list of such, as are the values of closed sets."""
    if type(value) is str:
        return _WORD.match(value) is not None
    return type(value) is list and len(value) < 8 and all(type(one) is str and _WORD.match(one) for one in value)


def author(message: Object, roles: Mapping[str, Role], path: str, into: list[Segment]) -> Role:
    """The role of a message's author. Whoever is not in `roles` is as little trusted as a user.

    The name of such an author is text as well, since chat templates print it: it is appended. Raises
    InvalidBody(`invalid_field`) for none, and for one that a laxer server takes for another (`System`).
    """
    name = message.get("role")
    if type(name) is not str:
        raise InvalidBody("invalid_field", "role")
    role = roles.get(name)
    if role is None:
        if name.strip().casefold() in roles:
            raise InvalidBody("invalid_field", "role")
        into.append(Segment(Role.USER, name, f"{path}.role"))
        role = Role.USER
    return role


def below(path: str, step: str) -> str:
    """The path one step down. A deep one is cut: names are the caller's, and every string below would repeat them."""
    return path + step[:_LONGEST_STEP] if len(path) <= _LONGEST_PATH else path


def refuse_lookalikes(body: Mapping[str, object], known: frozenset[str]) -> None:
    """Raise InvalidBody(`ambiguous_key`) for a name that only some parsers take for a known one.

    Go's `encoding/json` matches names without regard to case, folding as Unicode does, so `Model` is `model` to one
    upstream and an unknown member to another. Parsers in C may end a name at a NUL.
    """
    if body.keys() <= known:
        return
    folded = _folded(known)
    for name in body:
        if name not in known and name.partition("\0")[0].casefold() in folded:
            raise InvalidBody("ambiguous_key")


@cache
def _folded(known: frozenset[str]) -> frozenset[str]:
    return frozenset(name.casefold() for name in known)


def string(body: Object, name: str) -> str | None:
    """The string member `name`; None when it is absent or null. Raises InvalidBody(`invalid_field`)."""
    value = body.get(name)
    if value is None or type(value) is str:
        return value
    raise InvalidBody("invalid_field", name)


def integer(body: Object, name: str) -> int | None:
    """The non-negative whole member `name`; None when it is absent or null. Raises InvalidBody(`invalid_field`)."""
    value = body.get(name)
    if value is None:
        return None
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is int and value >= 0:
        return value
    raise InvalidBody("invalid_field", name)


def count(body: Object, name: str) -> int:
    """Like `integer`, but 1 when it is absent or null: how many of something are asked for."""
    value = integer(body, name)
    return 1 if value is None else value


def flag(body: Object, name: str) -> bool:
    """The boolean member `name`; False when it is absent or null. Raises InvalidBody(`invalid_field`)."""
    value = body.get(name)
    if value is None:
        return False
    if type(value) is bool:
        return value
    raise InvalidBody("invalid_field", name)


def objects(body: Object, name: str) -> list[Object]:
    """The member `name`, a list of objects; empty when it is absent or null. Raises InvalidBody(`invalid_field`)."""
    value = body.get(name)
    if value is None:
        return []
    if type(value) is not list:
        raise InvalidBody("invalid_field", name)
    for item in value:
        if type(item) is not dict:
            raise InvalidBody("invalid_field", name)
    return value

"""Collecting the text of a decoded JSON value, with the role and the place of each run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from sidecar.errors import InvalidBody
from sidecar.prompt import Role, Segment

Object = dict[str, object]

_LONGEST_PLAIN_NAME = 40
_LONGEST_IDENTIFIER = 64
_LONGEST_PATH = 200
_LONG_LIST = 64
_READABLE = frozenset({str, dict, list})
_NOTHING: frozenset[str] = frozenset()
# Members that link or tell apart objects; no server shows them to a model.
_IDENTIFIERS = frozenset({"type", "id", "call_id", "tool_call_id", "tool_use_id"})


def collect(value: object, role: Role, path: str, into: list[Segment], *, skip: frozenset[str] = _NOTHING) -> None:
    """Append every string in `value`, depth first, except below the names in `skip` at the top level.

    Member names are text too when they are no plain identifier: a model that is shown an object reads them. Short
    identifiers of objects and of their kinds are left out. A long list of strings is one segment, line by line.
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
                collect(inner, role, _below(path, f"[{index}]"), into)
    elif type(value) is dict:
        _collect_members(value, role, path, into, skip)


def _collect_members(value: Object, role: Role, path: str, into: list[Segment], skip: frozenset[str]) -> None:
    for name, inner in value.items():
        if name in skip:
            continue
        if len(name) > _LONGEST_PLAIN_NAME or not name.isascii() or " " in name:
            into.append(Segment(role, name, _below(path, ".~")))
        if type(inner) in _READABLE and not (name in _IDENTIFIERS and _is_identifier(inner)):
            collect(
                inner,
                role,
                _below(path, f".{name[:_LONGEST_PLAIN_NAME]}") if path else name[:_LONGEST_PLAIN_NAME],
                into,
            )


def collect_joined(definitions: list[Object], role: Role, path: str, into: list[Segment]) -> None:
    """Append one segment for each definition, its strings line by line: schemas are made of very many short ones."""
    for index, definition in enumerate(definitions):
        strings: list[Segment] = []
        collect(definition, role, "", strings)
        if strings:
            into.append(Segment(role, "\n".join(one.text for one in strings), f"{path}[{index}]"))


def _below(path: str, step: str) -> str:
    """The path one step down. A deep one is cut: names are the caller's, and every string below would repeat them."""
    return path + step if len(path) <= _LONGEST_PATH else path


def _is_identifier(value: object) -> bool:
    return type(value) is str and len(value) <= _LONGEST_IDENTIFIER and value.isascii() and " " not in value


def refuse_lookalikes(body: Mapping[str, object], known: frozenset[str]) -> None:
    """Raise InvalidBody(`ambiguous_key`) for a name that only some parsers take for a known one.

    Go's `encoding/json` matches names without regard to case, folding as Unicode does, so `Model` is `model` to one
    upstream and an unknown member to another.
    """
    if body.keys() <= known:
        return
    folded = _folded(known)
    for name in body:
        if name not in known and name.casefold() in folded:
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

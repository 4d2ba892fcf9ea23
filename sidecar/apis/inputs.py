"""Inputs that may be a string, a list of strings, numbers of a vocabulary, or parts."""

from __future__ import annotations

from sidecar.apis.parts import Attachments, read_content
from sidecar.errors import InvalidBody
from sidecar.prompt import Role, Segment

_NUMBERS = frozenset({int, float})


def read_inputs(value: object, role: Role, path: str, into: list[Segment], attachments: Attachments) -> int:
    """Append the text of `value`; return how many numbers of a vocabulary it holds instead.

    Raises InvalidBody(`invalid_field`) for anything that is neither, except null.
    """
    if value is None:
        return 0
    if type(value) is str:
        into.append(Segment(role, value, path))
        return 0
    if type(value) is not list:
        raise InvalidBody("invalid_field", path)
    kinds = set(map(type, value))
    if kinds <= _NUMBERS:
        return len(value)
    if kinds == {list}:
        return sum(read_inputs(one, role, f"{path}[{index}]", into, attachments) for index, one in enumerate(value))
    read_content(value, role, path, into, attachments)
    return 0


def count_inputs(value: object) -> int:
    """How many inputs there are in what `read_inputs` takes: a list of numbers is one."""
    if type(value) is not list:
        return int(value is not None)
    return 1 if _NUMBERS.issuperset(map(type, value)) else len(value)

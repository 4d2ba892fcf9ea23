"""Reads the YAML of envoyproxy/ratelimit, exactly as it is written and with every fault named."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from sidecar.errors import ConfigurationError
from sidecar.limits.limit import MAX_UNITS

_MAX_NODES = 200_000  # also what aliases stand for, so that anchors can't blow a small file up
_MAX_DEPTH = 64
_MERGE = "tag:yaml.org,2002:merge"
_NUMBER = re.compile(r"[0-9](?:_?[0-9]){0,15}\Z")


class Place:
    """One node of a file and the dotted path to it.

    Scalars are read as they are spelled: in this dialect `value: no` and `value: 007` are the text `no` and `007`.
    """

    def __init__(self, source: str, path: str, node: yaml.Node | None, depth: int = 0) -> None:
        self.source, self.path, self._node, self._depth = source, path, node, depth
        if depth > _MAX_DEPTH:
            raise self.fault("is nested too deeply")

    def fault(self, problem: str, fix: str = "") -> ConfigurationError:
        """The error to raise about this place."""
        return ConfigurationError(self.source, self.path, problem, fix)

    @property
    def empty(self) -> bool:
        """Nothing there: absent, `null` or `~`."""
        node = self._node
        return node is None or (isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null")

    def mapping(self, *known: str) -> dict[str, Place]:
        """The members, each of them one of `known`; absent members are there, and empty."""
        if not isinstance(self._node, yaml.MappingNode):
            raise self.fault("is not a mapping")
        members = {name: self._child(f".{name}", None) for name in known}
        for key, value in self._node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            if name not in members:
                near = difflib.get_close_matches(name, known, n=1)
                fix = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(known)}"
                raise self._child(f".{name}", value).fault("unknown key", fix)
            members[name] = self._child(f".{name}", value)
        return members

    def sequence(self) -> Sequence[Place]:
        """The items; none where there is nothing."""
        if self.empty:
            return ()
        if not isinstance(self._node, yaml.SequenceNode):
            raise self.fault("is not a list")
        return [self._child(f"[{index}]", item) for index, item in enumerate(self._node.value)]

    def text(self) -> str:
        """A scalar as it is spelled; the empty string where there is nothing."""
        if self.empty:
            return ""
        if not isinstance(self._node, yaml.ScalarNode):
            raise self.fault("is not a single value")
        return str(self._node.value)

    def number(self, default: int = 0, least: int = 0, most: int = MAX_UNITS) -> int:
        """A whole number written in decimal."""
        if self.empty:
            return default
        node = self._node
        if not isinstance(node, yaml.ScalarNode) or node.style or not _NUMBER.match(node.value):
            raise self.fault("is not a whole number", f"write one from {least} to {most}")
        number = int(node.value)
        if not least <= number <= most:
            raise self.fault(f"{number} is out of bounds", f"write a whole number from {least} to {most}")
        return number

    def flag(self, default: bool = False) -> bool:
        """`true` or `false`."""
        if self.empty:
            return default
        if isinstance(self._node, yaml.ScalarNode) and not self._node.style:
            if self._node.value in {"true", "True", "TRUE", "yes", "on"}:
                return True
            if self._node.value in {"false", "False", "FALSE", "no", "off"}:
                return False
        raise self.fault("is neither true nor false")

    def structure(self) -> Mapping[str, Any]:
        """Free content, as JSON would have it; empty where there is nothing."""
        if self.empty:
            return {}
        if not isinstance(self._node, yaml.MappingNode):
            raise self.fault("is not a mapping")
        return {key.value: self._child(f".{key.value}", value).plain() for key, value in self._node.value}

    def plain(self) -> Any:
        """Free content of any kind."""
        if isinstance(self._node, yaml.MappingNode):
            return self.structure()
        if isinstance(self._node, yaml.SequenceNode):
            return [item.plain() for item in self.sequence()]
        if not isinstance(self._node, yaml.ScalarNode):
            raise self.fault("is not a value")
        value = yaml.SafeLoader("").construct_object(self._node)
        return value if isinstance(value, (bool, int, float, str)) or value is None else self.text()

    def _child(self, step: str, node: yaml.Node | None) -> Place:
        return Place(self.source, f"{self.path}{step}".removeprefix("."), node, self._depth + 1)


def read(text: str, source: str) -> Place:
    """The root of a file; ConfigurationError when it is no YAML document, or one that doubles keys or explodes."""
    loader = None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        _check(node, source)
        _merge(node, loader)
    except yaml.MarkedYAMLError as fault:
        line = f"line {fault.problem_mark.line + 1}" if fault.problem_mark else ""
        raise ConfigurationError(source, line, fault.problem or "not valid YAML") from None
    except (yaml.YAMLError, RecursionError, ValueError) as fault:
        raise ConfigurationError(source, "", f"not valid YAML: {type(fault).__name__}") from None
    finally:
        if loader is not None:
            loader.dispose()
    return Place(source, "", node)


def _check(root: yaml.Node | None, source: str) -> None:
    """Refuse doubled keys, and aliases that stand for too much."""
    for count, (node, depth) in enumerate(_walk(root)):
        if count > _MAX_NODES or depth > _MAX_DEPTH:
            raise ConfigurationError(source, "", "its aliases stand for too much", "write fewer and flatter ones")
        seen = set()
        for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
            line = f"line {key.start_mark.line + 1}"
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigurationError(source, line, "a key is no single value")
            if key.value in seen:
                raise ConfigurationError(source, line, f"doubled key {key.value!r}")
            if key.tag == _MERGE and not isinstance(value, yaml.MappingNode):
                # A list of merges can double the mapping at every level.
                raise ConfigurationError(source, line, "`<<` may merge one mapping only")
            seen.add(key.value)


def _merge(root: yaml.Node | None, loader: yaml.SafeLoader) -> None:
    for node, _ in _walk(root):
        if isinstance(node, yaml.MappingNode):
            loader.flatten_mapping(node)


def _walk(root: yaml.Node | None) -> Iterator[tuple[yaml.Node, int]]:
    pending: list[tuple[yaml.Node, int]] = [] if root is None else [(root, 0)]
    while pending:
        node, depth = pending.pop()
        yield node, depth
        pending += [(child, depth + 1) for child in _children(node)]


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value

"""YAML as configuration needs it: safe, and strict about what the language leaves open."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from sidecar.errors import ConfigurationError

MAX_ALIASES = 64


def load_yaml(text: str, source: str) -> Any:
    """Parse one YAML document; `source` names it in errors.

    Raises ConfigurationError for a syntax error, a doubled key, and for more than 64 aliases (each one can double the
    size of the document).
    """
    loader = None
    try:
        loader = _StrictLoader(text)
        return loader.get_single_data()
    except yaml.MarkedYAMLError as fault:
        line = f"line {fault.problem_mark.line + 1}" if fault.problem_mark else ""
        raise ConfigurationError(source, line, fault.problem or "not valid YAML") from None
    except (yaml.YAMLError, ValueError, RecursionError) as fault:
        raise ConfigurationError(source, "", f"not valid YAML: {type(fault).__name__}") from None
    finally:
        if loader is not None:
            loader.dispose()


def read_yaml(path: Path) -> Any:
    """Parse the YAML file at `path`; raises ConfigurationError also when it can't be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigurationError(str(path), "", "is not UTF-8") from None
    except OSError as fault:
        raise ConfigurationError(str(path), "", f"can't be read: {fault.strerror}") from None
    return load_yaml(text, str(path))


class _StrictLoader(yaml.SafeLoader):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            self._aliases += 1
            if self._aliases > MAX_ALIASES:
                mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
                raise yaml.constructor.ConstructorError(None, None, f"more than {MAX_ALIASES} aliases", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                fault = "merge keys (<<) are not supported; write the keys out"
                raise yaml.constructor.ConstructorError(None, None, fault, key_node.start_mark)
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable) or key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"doubled key {key!r}", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)

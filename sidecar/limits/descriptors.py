"""Descriptors: which rule of an envoyproxy/ratelimit configuration a descriptor matches, and whose bucket it means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sidecar.errors import ConfigurationError
from sidecar.limits.descriptor_file import Place, read
from sidecar.limits.keys import escape
from sidecar.limits.rule import Rule, read_descriptor, read_rule

_LONGEST_VALUE = 64  # characters of a request's value that get into the name of a metric
Entries = Sequence[tuple[str, str]]


@dataclass(slots=True)
class _Node:
    """One level of the tree. `shared` makes everything that the wildcard `pattern` matches spend from one bucket."""

    rule: Rule | None = None
    exact: dict[tuple[str, str], _Node] = field(default_factory=dict)
    wildcards: list[tuple[str, tuple[str, ...], _Node]] = field(default_factory=list)
    bare: dict[str, _Node] = field(default_factory=dict)
    pattern: str = ""
    shared: bool = False
    value_in_metric: bool = False

    def child(self, key: str, value: str) -> _Node | None:
        found = self.exact.get((key, value))
        if found is None:
            for name, parts, node in self.wildcards:
                if name == key and _matches(value, parts):
                    return node
            found = self.bare.get(key)
        return found

    @property
    def leaf(self) -> bool:
        return not (self.exact or self.bare)


@dataclass(frozen=True, slots=True)
class Match:
    """The rule that a descriptor matched, the escaped name of its bucket, and its label in metrics."""

    rule: Rule
    bucket: str
    label: str


class Descriptors:
    """All domains of a configuration."""

    def __init__(self, domains: Mapping[str, _Node]) -> None:
        self._domains = domains

    @property
    def domains(self) -> tuple[str, ...]:
        """The names of the domains."""
        return tuple(self._domains)

    def match(self, domain: str, entries: Entries) -> Match | None:
        """The rule for a descriptor: at each level the exact value, else the first wildcard in file order, else the
        key alone; None unless the last entry's own descriptor has a rule."""
        node = self._domains.get(domain)
        if node is None or not entries:
            return None
        label, bucket = [domain], []
        for key, value in entries:
            if node.leaf:
                return None
            child = node.child(key, value)
            if child is None:
                return None
            node = child
            bucket.append(f"{escape(key)}*={escape(node.pattern)}" if node.shared else f"{escape(key)}={escape(value)}")
            label.append(_label(key, value, node))
        if node.rule is None:
            return None
        text = ".".join(label)
        if node.rule.detailed_metric and (not node.pattern or "*" in node.pattern):
            key, value = entries[-1]
            text = ".".join((*label[:-1], f"{key}_{value[:_LONGEST_VALUE]}"))
        return Match(node.rule, ":".join(bucket), text)


def _label(key: str, value: str, node: _Node) -> str:
    if node.shared:
        return f"{key}_{node.pattern}"
    if node.value_in_metric:
        return f"{key}_{value[:_LONGEST_VALUE]}"
    return f"{key}_{node.pattern}" if node.pattern else key


def bucket_of(entries: Entries) -> str:
    """The escaped name of a descriptor's own bucket."""
    return ":".join([f"{escape(key)}={escape(value)}" for key, value in entries])


def load(path: Path, *, merge_domains: bool = False) -> Descriptors:
    """Read a file, or every `.yaml` and `.yml` file of a folder (dot files left out); ConfigurationError when one of
    them is bad, and then none counts."""
    if path.is_dir():
        files = sorted(
            file for file in path.iterdir() if file.suffix in {".yaml", ".yml"} and not file.name.startswith(".")
        )
        if not files:
            raise ConfigurationError(str(path), "", "holds no .yaml file")
    else:
        files = [path]
    texts = []
    for file in files:
        try:
            texts.append((str(file), file.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            raise ConfigurationError(str(file), "", "is not UTF-8") from None
        except OSError as fault:
            raise ConfigurationError(str(file), "", f"can't be read: {fault.strerror}") from None
    return parse(texts, merge_domains=merge_domains)


def parse(texts: Sequence[tuple[str, str]], *, merge_domains: bool = False) -> Descriptors:
    """Descriptors from (source, YAML text) pairs."""
    domains: dict[str, _Node] = {}
    for source, text in texts:
        root = read(text, source)
        if root.empty:
            raise root.fault("is empty", "start with `domain:`")
        members = root.mapping("domain", "descriptors")
        domain = members["domain"].text()
        if not domain:
            raise members["domain"].fault("is missing or empty", "name the domain that Envoy's filter asks for")
        if domain in domains and not merge_domains:
            raise members["domain"].fault(f"domain {domain!r} has been defined", "set merge_domains: true")
        _read_level(members["descriptors"], domains.setdefault(domain, _Node()), domain)
    return Descriptors(domains)


def _read_level(place: Place, node: _Node, path: str) -> None:
    for item in place.sequence():
        members = read_descriptor(item)
        key, value = members["key"].text(), members["value"].text()
        if not key:
            raise members["key"].fault("a descriptor has no key")
        own = f"{path}.{key}_{value}" if value else f"{path}.{key}"
        if (key in node.bare) if not value else ((key, value) in node.exact):
            raise item.fault(f"descriptor {own.removeprefix(path + '.')!r} is there already")
        wildcard = "*" in value
        shared = members["share_threshold"].flag()
        if shared and not wildcard:
            raise members["share_threshold"].fault("makes no sense without a wildcard in value")
        child = _Node(
            rule=read_rule(members, own),
            pattern=value,
            shared=shared,
            value_in_metric=members["value_to_metric"].flag(),
        )
        _read_level(members["descriptors"], child, own)
        if not value:
            node.bare[key] = child
        else:
            node.exact[key, value] = child
            if wildcard:
                node.wildcards.append((key, tuple(value.split("*")), child))


def _matches(value: str, parts: tuple[str, ...]) -> bool:
    """Whether `value` is the parts of a pattern with anything between them; linear in the value for each part."""
    first, *middle, last = parts
    if len(value) < len(first) + len(last) or not value.startswith(first) or not value.endswith(last):
        return False
    at, end = len(first), len(value) - len(last)
    for part in middle:
        found = value.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True

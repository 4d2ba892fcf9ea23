"""The table of routes: who may call what, and which entry a request falls under."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from sidecar.condition import Condition
from sidecar.request import HttpRequest, canonical_host, split_target
from sidecar.settings import Settings

_VARIABLE = re.compile(r"\{[a-z_]+\}")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+\Z")


def _path_template(value: str) -> str:
    bare = _VARIABLE.sub("x", value)
    literal = bare.removesuffix("/**")
    if "*" in literal or "{" in literal or "}" in literal:
        raise ValueError("write /v1/models/{model} for one segment, or end with /** for all below")
    try:
        canonical, query = split_target(literal or "/")
    except Exception as error:
        raise ValueError("is no canonical path") from error
    if query or canonical != (literal or "/"):
        raise ValueError("is no canonical path")
    return value


def _host_pattern(value: str) -> str:
    name = value.removeprefix("*.")
    if not name or "*" in name or canonical_host(name) != name:
        raise ValueError("write api.example.com or *.example.com, lower case, without port")
    return value


def _scope(value: str) -> str:
    if not _SCOPE.match(value):
        raise ValueError("is no scope (RFC 6749, section 3.3)")
    return value


Scope = Annotated[str, AfterValidator(_scope)]
Method = Annotated[str, Field(pattern=r"^[A-Z][A-Z-]{0,31}$")]


class RouteSettings(Settings):
    """One rule: who may call what. Rules with the same path are alternatives; one that admits is enough."""

    name: str = Field(default="", description="shown by explain; `METHODS path` when left out")
    hosts: tuple[Annotated[str, AfterValidator(_host_pattern)], ...] = Field(
        default=(), description="api.example.com or *.example.com; empty for every host"
    )
    methods: tuple[Method, ...] = Field(min_length=1, description="methods, each by name: GET does not imply HEAD")
    path: Annotated[str, AfterValidator(_path_template)] = Field(
        description="/v1/models, /v1/models/{model}, or /v1/files/**; the most specific path decides alone"
    )
    public: bool = Field(default=False, description="needs no credential")
    scopes: tuple[Scope, ...] = Field(default=(), description="scopes that the credential must have, all of them")
    models: tuple[str, ...] | None = Field(default=None, description="glob patterns of models that may be asked here")
    kinds: tuple[str, ...] = Field(default=(), description="kinds of credential: api_key, jwt, ...; empty for all")
    tenants: tuple[str, ...] = Field(default=(), description="tenants that may call; empty for all")
    plans: tuple[str, ...] = Field(default=(), description="plans that may call; empty for all")
    environments: tuple[str, ...] = Field(default=(), description="environments of keys; empty for all")
    when: str | None = Field(
        default=None, description="CEL condition on `request` and `principal`, for what the other keys can't say"
    )
    mode: Literal["enforce", "shadow"] = Field(
        default="enforce", description="shadow admits what the rule refuses, and reports it"
    )


class AuthorizationSettings(Settings):
    """Everything that is not in the table is refused."""

    routes: tuple[RouteSettings, ...] = Field(default=(), description="who may call what")


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of the table with its condition compiled."""

    settings: RouteSettings
    condition: Condition | None

    @property
    def name(self) -> str:
        """How people call it."""
        return self.settings.name or f"{','.join(self.settings.methods)} {self.settings.path}"


@dataclass(frozen=True, slots=True)
class Route:
    """The rules of the most specific path that matches a request. `path` is its template: safe to log and count."""

    path: str
    rules: tuple[Rule, ...]

    @property
    def public(self) -> bool:
        """Whether a request without a credential may pass."""
        return any(rule.settings.public for rule in self.rules)


@dataclass(frozen=True, slots=True)
class _Template:
    pattern: re.Pattern[str]
    rank: tuple[tuple[int, int], ...]
    rules: tuple[Rule, ...]


class RouteTable:
    """The compiled table. Raises ConfigurationError for a condition that can't be compiled."""

    def __init__(self, settings: AuthorizationSettings) -> None:
        self.rules = tuple(_rule(number, entry) for number, entry in enumerate(settings.routes))
        by_path: dict[str, list[Rule]] = {}
        for rule in self.rules:
            by_path.setdefault(rule.settings.path, []).append(rule)
        self._exact = {path: tuple(rules) for path, rules in by_path.items() if _is_literal(path)}
        self._templates = sorted(
            (_compile(path, tuple(rules)) for path, rules in by_path.items() if not _is_literal(path)),
            key=lambda template: template.rank,
            reverse=True,
        )

    def find(self, request: HttpRequest) -> Route | None:
        """The most specific path, then the rules for the request's host, then those for its method."""
        found = _choose(self._exact.get(request.path, ()), request)
        if found is not None:
            return found
        for template in self._templates:
            if template.pattern.match(request.path):
                found = _choose(template.rules, request)
                if found is not None:
                    return found
        return None


def mismatch(rule: Rule, request: HttpRequest) -> str:
    """What about the request does not fit the rule: `path`, `host`, `method`, or "" when all fits."""
    settings = rule.settings
    if not _compile(settings.path, ()).pattern.match(request.path):
        return "path"
    if settings.hosts and not _host_matches(settings.hosts, request.host):
        return "host"
    return "" if request.method in settings.methods else "method"


def _rule(number: int, entry: RouteSettings) -> Rule:
    key = f"authorization.routes[{number}].when"
    return Rule(entry, None if entry.when is None else Condition(entry.when, key))


def _choose(rules: tuple[Rule, ...], request: HttpRequest) -> Route | None:
    """The rules for the request's host (named ones before those for every host) that know its method."""
    if not rules:
        return None
    named = tuple(rule for rule in rules if rule.settings.hosts and _host_matches(rule.settings.hosts, request.host))
    candidates = named or tuple(rule for rule in rules if not rule.settings.hosts)
    chosen = tuple(rule for rule in candidates if request.method in rule.settings.methods)
    return Route(chosen[0].settings.path, chosen) if chosen else None


def _host_matches(patterns: tuple[str, ...], host: str) -> bool:
    return any(host.endswith(p[1:]) if p.startswith("*.") else host == p for p in patterns)


def _is_literal(path: str) -> bool:
    return "{" not in path and "*" not in path


def _compile(path: str, rules: tuple[Rule, ...]) -> _Template:
    """A template ranks by segment: literal text before a variable, and anything before `**`."""
    parts, rank = [], []
    for segment in path.split("/")[1:]:
        if segment == "**":
            parts.append(".+")
            rank.append((0, 0))
            continue
        literals = _VARIABLE.split(segment)
        parts.append("[^/]+".join(re.escape(literal) for literal in literals))
        rank.append((2 if len(literals) == 1 else 1, sum(map(len, literals))))
    return _Template(re.compile("/" + "/".join(parts) + r"\Z"), tuple(rank), rules)

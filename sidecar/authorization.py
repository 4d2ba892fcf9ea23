"""What a caller may do: the table of routes, and the models of a plan."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import structlog
from pydantic import AfterValidator, Field

from sidecar.decision import Deny, Reason
from sidecar.plans import PlanSettings
from sidecar.principal import Principal
from sidecar.request import HttpRequest, canonical_host, split_target
from sidecar.settings import Settings

_log = structlog.get_logger()
_VARIABLE = re.compile(r"\{[a-z_]+\}")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+\Z")
_MATCHERS_KEPT = 4096


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
    mode: Literal["enforce", "shadow"] = Field(
        default="enforce", description="shadow admits what the rule refuses, and reports it"
    )


class AuthorizationSettings(Settings):
    """Everything that is not in the table is refused."""

    routes: tuple[RouteSettings, ...] = Field(default=(), description="who may call what")


@dataclass(frozen=True, slots=True)
class Route:
    """The rules of the most specific path that matches a request. `path` is its template: safe to log and count."""

    path: str
    rules: tuple[RouteSettings, ...]

    @property
    def public(self) -> bool:
        """Whether a request without a credential may pass."""
        return any(rule.public for rule in self.rules)


@dataclass(frozen=True, slots=True)
class _Template:
    pattern: re.Pattern[str]
    rank: tuple[tuple[int, int], ...]
    rules: tuple[RouteSettings, ...]


class Authorization:
    """The compiled table. Without a matching route, and with a plan nobody has described, the answer is no."""

    def __init__(self, settings: AuthorizationSettings, plans: Mapping[str, PlanSettings]) -> None:
        by_path: dict[str, list[RouteSettings]] = {}
        for rule in settings.routes:
            by_path.setdefault(rule.path, []).append(rule)
        self._exact = {path: tuple(rules) for path, rules in by_path.items() if _is_literal(path)}
        self._templates = sorted(
            (_compile(path, tuple(rules)) for path, rules in by_path.items() if not _is_literal(path)),
            key=lambda template: template.rank,
            reverse=True,
        )
        self._plans = {name: _matcher(plan.models) for name, plan in plans.items()}
        self._matchers: dict[tuple[str, ...], re.Pattern[str]] = {}

    def route(self, request: HttpRequest) -> Route | None:
        """The route of a request: the most specific path, then the rules for its host, then those for its method."""
        found = _choose(self._exact.get(request.path, ()), request)
        if found is not None:
            return found
        for template in self._templates:
            if template.pattern.match(request.path):
                found = _choose(template.rules, request)
                if found is not None:
                    return found
        return None

    def check(
        self,
        route: Route,
        request: HttpRequest,  # noqa: ARG002 - everything about the request has been matched by `route`
        principal: Principal | None,
    ) -> Deny | None:
        """None when one of the route's rules admits the caller, otherwise the first rule's refusal.

        A rule in shadow mode admits in any case, and reports what it would have refused.
        """
        if principal is not None and principal.plan and principal.plan not in self._plans:
            return Deny(Reason.FORBIDDEN, "plan_unknown")
        first: Deny | None = None
        for rule in route.rules:
            refusal = _refusal(rule, principal)
            if refusal is None:
                return None
            if rule.mode == "shadow":
                _log.info("authorization_shadow_refusal", route=route.path, code=refusal.code)
                return None
            first = first or refusal
        return first or Deny(Reason.FORBIDDEN, "route_not_allowed")

    def check_model(self, route: Route, principal: Principal | None, model: str | None) -> Deny | None:
        """None when the route, the caller's plan and the caller's own credential all know the model.

        A body that names no model is refused where any of them restricts models: the upstream's own choice could be
        any.
        """
        matchers = []
        if principal is not None and principal.plan:
            matchers.append(self._plans[principal.plan])
        if principal is not None and principal.models is not None:
            matchers.append(self._matcher_of(principal.models))
        restrictions = [rule.models for rule in route.rules if rule.models is not None]
        if len(restrictions) == len(route.rules):
            matchers.append(self._matcher_of(tuple(pattern for patterns in restrictions for pattern in patterns)))
        for matcher in matchers:
            if not matcher.match(model or ""):
                code = "model_missing" if model is None else "model_not_allowed"
                return Deny(Reason.MODEL_NOT_ALLOWED, code)
        return None

    def _matcher_of(self, patterns: tuple[str, ...]) -> re.Pattern[str]:
        matcher = self._matchers.get(patterns)
        if matcher is None:
            if len(self._matchers) >= _MATCHERS_KEPT:
                self._matchers.clear()
            matcher = self._matchers[patterns] = _matcher(patterns)
        return matcher


def _refusal(rule: RouteSettings, principal: Principal | None) -> Deny | None:
    if principal is None:
        return None if rule.public else Deny(Reason.MISSING_CREDENTIAL, "missing_credential")
    for accepted, value, code in (
        (rule.kinds, principal.kind, "kind_not_allowed"),
        (rule.tenants, principal.tenant, "tenant_not_allowed"),
        (rule.plans, principal.plan, "plan_not_allowed"),
        (rule.environments, principal.environment, "environment_not_allowed"),
    ):
        if accepted and value not in accepted:
            return Deny(Reason.FORBIDDEN, code)
    if not principal.scopes.issuperset(rule.scopes):
        return Deny(Reason.INSUFFICIENT_SCOPE, "insufficient_scope", scope=" ".join(rule.scopes))
    return None


def _choose(rules: tuple[RouteSettings, ...], request: HttpRequest) -> Route | None:
    """The rules for the request's host (named ones before those for every host) that know its method."""
    if not rules:
        return None
    named = tuple(rule for rule in rules if rule.hosts and _host_matches(rule.hosts, request.host))
    candidates = named or tuple(rule for rule in rules if not rule.hosts)
    chosen = tuple(rule for rule in candidates if request.method in rule.methods)
    return Route(chosen[0].path, chosen) if chosen else None


def _host_matches(patterns: tuple[str, ...], host: str) -> bool:
    return any(host.endswith(p[1:]) if p.startswith("*.") else host == p for p in patterns)


def _is_literal(path: str) -> bool:
    return "{" not in path and "*" not in path


def _compile(path: str, rules: tuple[RouteSettings, ...]) -> _Template:
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


def _matcher(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """One expression for glob patterns in which `*` is any text and `?` any character; case counts."""
    globs = (re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".") for pattern in patterns)
    return re.compile("(?:" + "|".join(globs) + r")\Z" if patterns else r"(?!)", re.DOTALL)

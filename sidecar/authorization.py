"""What a caller may do: the table of routes, and the models of a plan."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from sidecar.decision import Deny, Reason
from sidecar.metrics import Metrics
from sidecar.plans import PlanSettings
from sidecar.principal import Principal
from sidecar.request import HttpRequest
from sidecar.route_table import AuthorizationSettings, Route, RouteTable, Rule, mismatch

__all__ = ["Authorization", "AuthorizationSettings", "Route", "RuleOutcome"]

_log = structlog.get_logger()
_MATCHERS_KEPT = 4096
_NOTHING = re.compile(r"(?!)")


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """What one rule had to say about a request, for `explain`.

    `outcome` is `admits`; the code of a refusal; what of the request does not fit (`path`, `host`, `method`); or
    `less_specific` when it fits but another path decides. `decided` marks the rule that settled it.
    """

    rule: str
    outcome: str
    decided: bool = False


class Authorization:
    """The compiled table. Without a matching route, and with a plan nobody has described, the answer is no."""

    def __init__(self, settings: AuthorizationSettings, plans: Mapping[str, PlanSettings], metrics: Metrics) -> None:
        self._table = RouteTable(settings)
        self._shadowed = metrics.shadow_refusals
        self._plans = {name: _matcher(plan.models) for name, plan in plans.items()}
        self._matchers: dict[tuple[str, ...], re.Pattern[str]] = {}

    def route(self, request: HttpRequest) -> Route | None:
        """The route of a request: the most specific path, then the rules for its host, then those for its method."""
        return self._table.find(request)

    def check(self, route: Route, request: HttpRequest, principal: Principal | None) -> Deny | None:
        """None when one of the route's rules admits the caller, otherwise the first rule's refusal.

        A rule in shadow mode admits in any case, and reports what it would have refused.
        """
        if principal is not None and principal.plan and principal.plan not in self._plans:
            return Deny(Reason.FORBIDDEN, "plan_unknown")
        first: Deny | None = None
        for rule in route.rules:
            refusal = _refusal(rule, request, principal)
            if refusal is None:
                return None
            if rule.settings.mode == "shadow":
                self._shadowed.add(1, route.path, refusal.code)
                _log.info("authorization_shadow_refusal", route=route.path, code=refusal.code)
                return None
            first = first or refusal
        return first or Deny(Reason.FORBIDDEN, "route_not_allowed")

    def explain(self, request: HttpRequest, principal: Principal | None) -> tuple[RuleOutcome, ...]:
        """What every rule of the table has to say, in the table's order."""
        route = self._table.find(request)
        found = () if route is None else route.rules
        outcomes = {id(rule): _refusal(rule, request, principal) for rule in found}
        admitting = [rule for rule in found if outcomes[id(rule)] is None or rule.settings.mode == "shadow"]
        decider = next(iter(admitting or found), None)
        said = []
        for rule in self._table.rules:
            if rule in found:
                refusal = outcomes[id(rule)]
                outcome = "admits" if refusal is None else refusal.code
            else:
                outcome = mismatch(rule, request) or "less_specific"
            said.append(RuleOutcome(rule.name, outcome, decided=rule is decider))
        return tuple(said)

    def check_model(self, route: Route, principal: Principal | None, model: str | None) -> Deny | None:
        """None when the route, the caller's plan and the caller's own credential all know the model.

        A body that names no model is refused where any of them restricts models: the upstream's own choice could be
        any.
        """
        matchers = []
        if principal is not None and principal.plan:
            matchers.append(self._plans.get(principal.plan, _NOTHING))
        if principal is not None and principal.models is not None:
            matchers.append(self._matcher_of(principal.models))
        restrictions = [rule.settings.models for rule in route.rules if rule.settings.models is not None]
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


def _refusal(entry: Rule, request: HttpRequest, principal: Principal | None) -> Deny | None:
    rule = entry.settings
    if principal is None:
        if not rule.public:
            return Deny(Reason.MISSING_CREDENTIAL, "missing_credential")
        if entry.condition is not None and not entry.condition.holds(request, None):
            return Deny(Reason.FORBIDDEN, "condition_not_met")
        return None
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
    if entry.condition is not None and not entry.condition.holds(request, principal):
        return Deny(Reason.FORBIDDEN, "condition_not_met")
    return None


def _matcher(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """One expression for glob patterns in which `*` is any text and `?` any character; case counts."""
    globs = (re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".") for pattern in patterns)
    return re.compile("(?:" + "|".join(globs) + r")\Z", re.DOTALL) if patterns else _NOTHING

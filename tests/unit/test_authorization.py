from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.authorization import Authorization, AuthorizationSettings
from sidecar.decision import Deny, Reason
from sidecar.errors import ConfigurationError, InvalidRequest
from sidecar.metrics import Metrics
from sidecar.plans import PlanSettings
from sidecar.principal import Principal
from sidecar.request import HttpRequest, split_target

ANN = Principal(id="key:1", kind="api_key", subject="ann", budget="key:1", scopes=frozenset({"llm:read", "llm:write"}))
PLANS = {"free": PlanSettings(models=("small-*", "tiny")), "all": PlanSettings(), "none": PlanSettings(models=())}
CHAT = {"methods": ["POST"], "path": "/v1/chat/completions", "scopes": ["llm:write"]}


def table(*routes: dict[str, Any]) -> Authorization:
    return Authorization(AuthorizationSettings.model_validate({"routes": routes}), PLANS, Metrics())


def ask(path: str, method: str = "GET", host: str = "api.example.com") -> HttpRequest:
    return HttpRequest(method=method, path=path, host=host)


def code(tested: Authorization, request: HttpRequest, principal: Principal | None = ANN) -> str:
    route = tested.route(request)
    if route is None:
        return "no route"
    refusal = tested.check(route, request, principal)
    return "ok" if refusal is None else refusal.code


def test_everything_is_refused_by_an_empty_table() -> None:
    assert code(table(), ask("/")) == "no route"


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (ask("/v1/chat/completions", "POST"), "ok"),
        (ask("/v1/chat/completions", "GET"), "no route"),
        (ask("/v1/chat/completions", "HEAD"), "no route"),
        (ask("/v1/chat/completions", "OPTIONS"), "no route"),
        (ask("/v1/chat/completions", "TRACE"), "no route"),
        (ask("/v1/chat/completions/", "POST"), "no route"),
        (ask("/v1/chat/completions/x", "POST"), "no route"),
        (ask("/V1/chat/completions", "POST"), "no route"),
        (ask("/v1/chat", "POST"), "no route"),
        (ask("/", "POST"), "no route"),
    ],
)
def test_route_is_method_and_exact_path(request_: HttpRequest, expected: str) -> None:
    assert code(table(CHAT), request_) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/models", "/v1/models"),
        ("/v1/models/small-1", "/v1/models/{model}"),
        ("/v1/models/small-1/", "/v1/**"),
        ("/v1/models/latest", "/v1/models/latest"),
        ("/v1/models/small-1:generate", "/v1/models/{model}:generate"),
        ("/v1/models/:generate", "/v1/models/{model}"),
        ("/v1/models/a/b", "/v1/**"),
        ("/v1/files/a/b/c", "/v1/files/**"),
        ("/v1/files/", "/v1/**"),
        ("/v1/files", "/v1/**"),
        ("/v1/", None),
        ("/v1", None),
        ("/v2/x", None),
    ],
)
def test_most_specific_path_wins_in_any_order(path: str, expected: str | None) -> None:
    paths = [
        "/v1/**",
        "/v1/models",
        "/v1/models/{model}",
        "/v1/models/{model}:generate",
        "/v1/models/latest",
        "/v1/files/**",
    ]
    for order in (paths, paths[::-1]):
        found = table(*({"methods": ["GET"], "path": template} for template in order)).route(ask(path))
        assert (found and found.path) == expected


def test_wider_route_does_not_help_where_a_narrower_one_refuses() -> None:
    tested = table(
        {"methods": ["GET"], "path": "/v1/**"}, {"methods": ["GET"], "path": "/v1/admin/**", "scopes": ["llm:admin"]}
    )
    assert code(tested, ask("/v1/admin/keys")) == "insufficient_scope"
    assert code(tested, ask("/v1/other")) == "ok"


def test_named_host_comes_before_every_host() -> None:
    tested = table(
        {"methods": ["GET"], "path": "/v1/models", "scopes": ["llm:admin"]},
        {"methods": ["GET"], "path": "/v1/models", "hosts": ["api.example.com", "*.eu.example.com"]},
    )
    assert code(tested, ask("/v1/models")) == "ok"
    assert code(tested, ask("/v1/models", host="a.eu.example.com")) == "ok"
    for other in ("eu.example.com", "evil-api.example.com", "api.example.com.evil.example", "", "xeu.example.com"):
        assert code(tested, ask("/v1/models", host=other)) == "insufficient_scope"


@pytest.mark.parametrize(
    ("rule", "principal", "expected"),
    [
        ({"scopes": ["llm:write"]}, ANN, "ok"),
        ({"scopes": ["llm:write", "llm:read"]}, ANN, "ok"),
        ({"scopes": ["llm:admin"]}, ANN, "insufficient_scope"),
        ({"scopes": ["llm:write"]}, replace(ANN, scopes=frozenset({"llm:writeX", "LLM:write"})), "insufficient_scope"),
        ({"scopes": ["llm:write"]}, replace(ANN, scopes=frozenset()), "insufficient_scope"),
        ({"kinds": ["jwt"]}, ANN, "kind_not_allowed"),
        ({"kinds": ["api_key", "jwt"]}, ANN, "ok"),
        ({"tenants": ["acme"]}, ANN, "tenant_not_allowed"),
        ({"tenants": ["acme"]}, replace(ANN, tenant="acme"), "ok"),
        ({"plans": ["free"]}, ANN, "plan_not_allowed"),
        ({"plans": ["free"]}, replace(ANN, plan="free"), "ok"),
        ({"environments": ["live"]}, replace(ANN, environment="test"), "environment_not_allowed"),
        ({}, replace(ANN, plan="gone"), "plan_unknown"),
        ({}, None, "missing_credential"),
        ({"public": True}, None, "ok"),
        ({"public": True, "scopes": ["llm:admin"]}, ANN, "insufficient_scope"),
    ],
)
def test_rule_admits_or_says_why_not(rule: dict[str, Any], principal: Principal | None, expected: str) -> None:
    assert code(table({"methods": ["GET"], "path": "/v1/models", **rule}), ask("/v1/models"), principal) == expected


def test_missing_scopes_are_named_for_the_challenge() -> None:
    tested = table({**CHAT, "scopes": ["llm:write", "llm:admin"]})
    route = tested.route(ask("/v1/chat/completions", "POST"))
    assert route is not None
    refusal = tested.check(route, ask("/v1/chat/completions", "POST"), ANN)
    assert refusal == Deny(Reason.INSUFFICIENT_SCOPE, "insufficient_scope", scope="llm:write llm:admin")


def test_rules_with_one_path_are_alternatives() -> None:
    tested = table(
        {"methods": ["GET"], "path": "/v1/models", "tenants": ["acme"]},
        {"methods": ["GET"], "path": "/v1/models", "scopes": ["llm:admin"]},
    )
    assert code(tested, ask("/v1/models"), replace(ANN, tenant="acme")) == "ok"
    assert code(tested, ask("/v1/models"), replace(ANN, scopes=frozenset({"llm:admin"}))) == "ok"
    assert code(tested, ask("/v1/models"), ANN) == "tenant_not_allowed"


def test_rule_in_shadow_mode_admits_and_is_counted() -> None:
    metrics = Metrics()
    rules = {"routes": [{**CHAT, "scopes": ["llm:admin"], "mode": "shadow"}]}
    tested = Authorization(AuthorizationSettings.model_validate(rules), PLANS, metrics)
    assert code(tested, ask("/v1/chat/completions", "POST")) == "ok"
    assert metrics.shadow_refusals.values == {("/v1/chat/completions", "insufficient_scope"): 1}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("true", "ok"),
        ("principal.tenant == ''", "ok"),
        ("'llm:write' in principal.scopes && request.path.startsWith('/v1/')", "ok"),
        ("request.method == 'POST' && request.host.endsWith('.example.com')", "ok"),
        ("principal.metadata.team == 'search'", "ok"),
        ("has(principal.metadata.team) && principal.metadata.team in ['a', 'search']", "ok"),
        ("['a', 'b'].exists(x, x == 'b')", "ok"),
        ("false", "condition_not_met"),
        ("principal.tenant == 'acme'", "condition_not_met"),
        ("1", "condition_not_met"),
        ("'true'", "condition_not_met"),
        ("principal.metadata.absent == 'x'", "condition_not_met"),
        ("1 / 0 == 1", "condition_not_met"),
        ("principal.tenant < 1", "condition_not_met"),
    ],
)
def test_condition_must_be_plainly_true(expression: str, expected: str) -> None:
    caller = replace(ANN, metadata={"team": "search"})
    tested = table({**CHAT, "when": expression})
    assert code(tested, ask("/v1/chat/completions", "POST"), caller) == expected


def test_condition_on_a_public_route_sees_no_principal() -> None:
    tested = table({"methods": ["GET"], "path": "/healthz", "public": True, "when": "request.client_ip == ''"})
    assert code(tested, ask("/healthz"), None) == "ok"
    asked = HttpRequest(method="GET", path="/healthz", client_ip="192.0.2.1")
    assert code(tested, asked, None) == "condition_not_met"
    nobody = table({"methods": ["GET"], "path": "/healthz", "public": True, "when": "principal.tenant == ''"})
    assert code(nobody, ask("/healthz"), None) == "condition_not_met"


@pytest.mark.parametrize(
    "expression", ["1 +", "", "nosuch == 1", "request.path ==", "principal.tenant = 'a'", "f(1)", "'a'.matches('((')"]
)
def test_unusable_condition_is_refused_at_start(expression: str) -> None:
    with pytest.raises(ConfigurationError, match=r"authorization\.routes\[1\]\.when"):
        table(CHAT, {**CHAT, "when": expression})


def test_explanation_names_every_rule_and_the_one_that_decided() -> None:
    tested = table(
        {"name": "admins", **CHAT, "scopes": ["llm:admin"]},
        {"name": "writers", **CHAT},
        {"name": "readers", "methods": ["GET"], "path": "/v1/chat/completions"},
        {"name": "rest", "methods": ["POST"], "path": "/v1/**"},
        {"methods": ["POST"], "path": "/v1/models", "hosts": ["x.example.com"]},
        {"name": "elsewhere", "methods": ["POST"], "path": "/v1/**", "hosts": ["x.example.com"]},
    )
    asked = ask("/v1/chat/completions", "POST")
    said = {outcome.rule: (outcome.outcome, outcome.decided) for outcome in tested.explain(asked, ANN)}
    assert said == {
        "admins": ("insufficient_scope", False),
        "writers": ("admits", True),
        "readers": ("method", False),
        "rest": ("less_specific", False),
        "POST /v1/models": ("path", False),
        "elsewhere": ("host", False),
    }
    refused = tested.explain(asked, replace(ANN, scopes=frozenset()))
    assert [outcome.rule for outcome in refused if outcome.decided] == ["admins"]
    assert not any(outcome.decided for outcome in tested.explain(ask("/"), ANN))


@pytest.mark.parametrize(
    ("plan", "own", "routes", "model", "expected"),
    [
        ("", None, None, "anything", "ok"),
        ("", None, None, None, "ok"),
        ("free", None, None, "small-1", "ok"),
        ("free", None, None, "tiny", "ok"),
        ("free", None, None, "tiny2", "model_not_allowed"),
        ("free", None, None, "Small-1", "model_not_allowed"),
        ("free", None, None, "xsmall-1", "model_not_allowed"),
        ("free", None, None, "large\nsmall-1", "model_not_allowed"),
        ("free", None, None, "", "model_not_allowed"),
        ("free", None, None, None, "model_missing"),
        ("all", None, None, "large", "ok"),
        ("none", None, None, "small-1", "model_not_allowed"),
        ("free", ("large",), None, "large", "model_not_allowed"),
        ("free", ("small-1",), None, "small-1", "ok"),
        ("free", ("small-1",), None, "small-2", "model_not_allowed"),
        ("all", (), None, "small-1", "model_not_allowed"),
        ("all", ("a.b",), None, "axb", "model_not_allowed"),
        ("all", ("a?c",), None, "abc", "ok"),
        ("all", ("[ab]",), None, "a", "model_not_allowed"),
        ("all", None, ("big",), "small", "model_not_allowed"),
        ("all", None, ("big",), "big", "ok"),
        ("", None, ("big",), None, "model_missing"),
    ],
)
def test_model_must_be_known_to_plan_key_and_route(
    plan: str, own: tuple[str, ...] | None, routes: tuple[str, ...] | None, model: str | None, expected: str
) -> None:
    tested = table({**CHAT, "models": routes})
    route = tested.route(ask("/v1/chat/completions", "POST"))
    assert route is not None
    refusal = tested.check_model(route, replace(ANN, plan=plan, models=own), model)
    assert ("ok" if refusal is None else refusal.code) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"path": "v1"},
        {"path": "//v1"},
        {"path": "/v1/../x"},
        {"path": "/v1/*/x"},
        {"path": "/v1/**/x"},
        {"path": "/v1?x"},
        {"path": "/v1/{Model}"},
        {"path": "/v1/{m"},
        {"path": "/é"},
        {"path": "/%41"},
        {"methods": []},
        {"methods": ["post"]},
        {"methods": ["*"]},
        {"hosts": ["*"]},
        {"hosts": ["API.example.com"]},
        {"hosts": ["a:443"]},
        {"scopes": ["a b"]},
        {"scopes": [""]},
        {"scope": ["llm:read"]},
    ],
)
def test_unusable_rule_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        table({**CHAT, **change})


ADMIN = table(
    {"methods": ["GET"], "path": "/v1/admin/**", "scopes": ["llm:admin"]},
    {"methods": ["GET"], "path": "/healthz", "public": True},
    {"methods": ["GET"], "path": "/v1/models/{model}", "public": True},
)
CONFUSING = [
    "//v1//admin/x", "/v1/./admin/x", "/v1/x/../admin/x", "/v1/%2e%2e/admin/x", "/healthz/..;/v1/admin/x",
    "/healthz;/v1/admin/x", "/v1%2fadmin/x", "/v1%252fadmin/x", "/v1\\admin\\x", "/V1/ADMIN/x",
    "/v1/admin", "/v1/admin/",
    "/v1/admin/.", "/v1/admin%20/x", "/v1/admin%09/x", "/v1/admin%00/x", "/healthz?/v1/admin/x", "/healthz#/v1/admin/x",
    "http://h/v1/admin/x", "v1/admin/x", "/v1/admin%c0%af/x", "/healthz/%2e%2e/v1/admin/x", "/v1/models/..%2fadmin",
    "/v1/models/%2e%2e", "/v1/models/a%2f..%2f..%2fadmin", "/healthz/", "/healthz%00", "*", "",
    "/v1/admin/x/../../../healthz",
]  # fmt: skip


def decide(target: str) -> bool:
    try:
        path, _ = split_target(target)
    except InvalidRequest:
        return False
    return code(ADMIN, ask(path), None) == "ok"


@pytest.mark.parametrize("target", CONFUSING)
def test_confusing_path_opens_nothing_that_its_plain_form_does_not(target: str) -> None:
    assert not decide(target) or target.startswith("/healthz?")


@given(
    st.lists(
        st.sampled_from(
            [
                "/",
                "v1",
                "admin",
                "x",
                ".",
                "..",
                "%2e",
                "%2f",
                ";",
                "\\",
                "healthz",
                "%00",
                "?",
                "#",
                "%61dmin",
                "models",
            ]
        ),
        max_size=12,
    ).map("".join)
)
def test_admin_is_never_reached_without_its_scope(target: str) -> None:
    if decide(target):
        path, _ = split_target(target)
        plain = path.replace("%61", "a")
        assert plain == "/healthz" or (plain.startswith("/v1/models/") and plain.count("/") == 3)

"""Client credentials, end to end: Authlib's client asks Authlib's server for tokens and shows them to the gate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from authlib.integrations.requests_client import OAuth2Session

from sidecar.authentication import Authentication, AuthenticationSettings, build
from sidecar.authorization import Authorization, AuthorizationSettings
from sidecar.errors import InvalidCredential
from sidecar.metrics import Metrics
from sidecar.request import HttpRequest
from tests.harness.oauth_server import AUDIENCE, SECRETS, oauth_server

ROUTES = AuthorizationSettings.model_validate(
    {
        "routes": [
            {"methods": ["POST"], "path": "/v1/chat/completions", "scopes": ["llm:write"]},
            {"methods": ["GET"], "path": "/v1/models", "scopes": ["llm:read"]},
        ]
    }
)
WRITE, READ = ("POST", "/v1/chat/completions"), ("GET", "/v1/models")


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with oauth_server(tmp_path_factory.mktemp("oauth")) as url:
        yield url


@pytest.fixture
async def gate(issuer: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Authentication]:
    monkeypatch.setenv("GATEWAY_SECRET", SECRETS["gateway"])
    server = {"issuer": issuer, "audiences": [AUDIENCE]}
    settings = AuthenticationSettings.model_validate(
        {
            "jwt": [{**server, "types": ["at+jwt"]}],  # keys are discovered
            "introspection": {
                **server,
                "endpoint": f"{issuer}/introspect",
                "client_id": "gateway",
                "client_secret_env": "GATEWAY_SECRET",
                "timeout": "5s",
            },
        }
    )
    built = build(settings, None, Metrics())
    await built.start()
    yield built
    await built.stop()


def client(name: str, scope: str) -> Any:
    return OAuth2Session(name, SECRETS[name], scope=scope, token_endpoint_auth_method="client_secret_basic")


async def fetch(issuer: str, name: str, scope: str) -> str:
    with client(name, scope) as session:
        token = await asyncio.to_thread(session.fetch_token, f"{issuer}/token", grant_type="client_credentials")
    return str(token["access_token"])


async def decide(gate: Authentication, token: str, call: tuple[str, str]) -> str:
    request = HttpRequest(
        method=call[0], path=call[1], headers={"authorization": (f"Bearer {token}",)}, client_ip="192.0.2.1"
    )
    principal = await gate.authenticate(request)
    authorization = Authorization(ROUTES, {}, Metrics())
    route = authorization.route(request)
    assert route is not None
    refusal = authorization.check(route, request, principal)
    return "ok" if refusal is None else refusal.code


@pytest.mark.parametrize("name", ["app", "legacy"])
@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("llm:read llm:write", ("ok", "ok")),
        ("llm:write", ("ok", "insufficient_scope")),
        ("llm:read", ("insufficient_scope", "ok")),
        ("llm:admin", ("insufficient_scope", "insufficient_scope")),
    ],
)
async def test_scopes_granted_by_the_server_open_routes(
    issuer: str, gate: Authentication, name: str, scope: str, expected: tuple[str, str]
) -> None:
    if scope == "llm:admin":  # refused by the server; it grants none instead when nothing is asked
        scope = ""
    token = await fetch(issuer, name, scope)
    assert (token.count(".") == 2) == (name == "app")
    assert (await decide(gate, token, WRITE), await decide(gate, token, READ)) == expected


async def test_client_is_the_principal(issuer: str, gate: Authentication) -> None:
    for name, kind in (("app", "jwt"), ("legacy", "opaque")):
        token = await fetch(issuer, name, "llm:read")
        principal = await gate.authenticate(
            HttpRequest(method="GET", path="/", headers={"authorization": (f"Bearer {token}",)})
        )
        assert principal is not None
        assert (principal.id, principal.kind, principal.client_id) == (f"jwt:{issuer}|{name}", kind, name)


async def test_tampered_and_invented_tokens_are_refused(issuer: str, gate: Authentication) -> None:
    jwt, opaque = await fetch(issuer, "app", "llm:read"), await fetch(issuer, "legacy", "llm:read")
    head, body, signature = jwt.split(".")
    for attack in (f"{head}.{body}.{signature[::-1]}", opaque[:-1] + "x", "invented"):
        with pytest.raises(InvalidCredential):
            await decide(gate, attack, READ)


async def test_opaque_token_revoked_at_the_server_ends(issuer: str, gate: Authentication) -> None:
    token = await fetch(issuer, "legacy", "llm:read")
    assert await decide(gate, token, READ) == "ok"
    with client("legacy", "llm:read") as session:
        await asyncio.to_thread(session.revoke_token, f"{issuer}/revoke", token=token)
    introspection = gate._verifiers.introspection
    assert introspection is not None
    introspection._monotonic = lambda: time.monotonic() + 61
    with pytest.raises(InvalidCredential, match="opaque_inactive"):
        await decide(gate, token, READ)

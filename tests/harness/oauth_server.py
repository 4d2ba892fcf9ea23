"""A real OAuth 2.0 authorization server on loopback: Authlib's, with client credentials (RFC 6749, section 4.4).

`python -m tests.harness.oauth_server PORT` serves metadata (RFC 8414), keys, the token endpoint, introspection
(RFC 7662) and revocation (RFC 7009). The client `app` gets JWTs (RFC 9068), `legacy` opaque tokens, and `gateway` may
introspect.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask
from joserfc.jwk import ECKey, KeySet

from tests.harness.redis_server import free_port, wait_until

SECRETS = {"app": "app-secret", "legacy": "legacy-secret", "gateway": "gateway-secret"}
SCOPES = frozenset({"llm:read", "llm:write"})
AUDIENCE = "llm-api"


@contextlib.contextmanager
def oauth_server(folder: Path) -> Iterator[str]:
    """The issuer URL of a running server, ended on exit."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (folder / "oauth_server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.harness.oauth_server", str(port)],
            stdout=log,
            stderr=log,
            env={**os.environ, "AUTHLIB_INSECURE_TRANSPORT": "1"},  # Authlib wants https, except when told otherwise
        )
    try:
        wait_until(lambda: _answers(url, process), "the OAuth server")
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    if process.poll() is not None:
        raise RuntimeError("the OAuth server ended; see oauth_server.log")
    try:
        with urllib.request.urlopen(f"{url}/jwks", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@dataclass
class _Client(ClientMixin):  # type: ignore[misc]
    name: str

    def get_client_id(self) -> str:
        return self.name

    def get_allowed_scope(self, scope: str) -> str:
        return " ".join(sorted(SCOPES & set((scope or "").split())))

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == SECRETS[self.name]

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_basic" and bool(endpoint)

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "client_credentials" and self.name != "gateway"


@dataclass
class _Token(TokenMixin):  # type: ignore[misc]
    client_id: str
    scope: str
    expires_at: int
    revoked: bool = False

    def check_client(self, client: _Client) -> bool:
        return client.name == self.client_id

    def is_expired(self) -> bool:
        return time.time() >= self.expires_at

    def is_revoked(self) -> bool:
        return self.revoked


class _JwtGenerator(JWTBearerTokenGenerator):  # type: ignore[misc]
    key: Any = None

    def get_jwks(self) -> Any:
        return self.key

    def get_audiences(self, client: _Client, user: None, scope: str) -> list[str]:
        return [AUDIENCE]


class _Introspection(IntrospectionEndpoint):  # type: ignore[misc]
    def query_token(self, token_string: str, token_type_hint: str) -> _Token | None:
        return _tokens.get(token_string)

    def check_permission(self, token: _Token, client: _Client, request: Any) -> bool:
        return client.name == "gateway"

    def introspect_token(self, token: _Token) -> dict[str, Any]:
        return {
            "aud": AUDIENCE,
            "sub": token.client_id,
            "client_id": token.client_id,
            "scope": token.scope,
            "exp": token.expires_at,
        }


class _Revocation(RevocationEndpoint):  # type: ignore[misc]
    def query_token(self, token_string: str, token_type_hint: str) -> _Token | None:
        return _tokens.get(token_string)

    def revoke_token(self, token: _Token, request: Any) -> None:
        token.revoked = True


_tokens: dict[str, _Token] = {}


def create_app(issuer: str) -> Flask:
    """The Flask application."""
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256", "kid": "oauth-1"}, auto_kid=False)

    def save(token: dict[str, Any], request: Any) -> None:
        until = int(time.time()) + int(token["expires_in"])
        _tokens[token["access_token"]] = _Token(request.client.name, token.get("scope", ""), until)

    def lifetime(client: _Client, grant_type: str) -> int:
        return 3600

    jwts = _JwtGenerator(issuer=issuer, alg="ES256", expires_generator=lifetime)
    jwts.key = key
    opaque = BearerTokenGenerator(lambda **_: os.urandom(24).hex(), expires_generator=lifetime)

    def generate(**request: Any) -> Any:
        return (jwts if request["client"].name == "app" else opaque)(**request)

    app = Flask("oauth")
    server = AuthorizationServer(app, lambda name: _Client(name) if name in SECRETS else None, save)
    server.register_grant(ClientCredentialsGrant)
    server.register_token_generator("client_credentials", generate)
    server.register_endpoint(_Introspection)
    server.register_endpoint(_Revocation)
    metadata = {"issuer": issuer, "jwks_uri": f"{issuer}/jwks", "token_endpoint": f"{issuer}/token"}
    app.add_url_rule("/.well-known/oauth-authorization-server", "metadata", lambda: metadata)
    app.add_url_rule("/jwks", "jwks", lambda: KeySet([key]).as_dict(private=False))
    app.add_url_rule("/token", "token", server.create_token_response, methods=["POST"])
    for path, endpoint in (("introspect", "introspection"), ("revoke", "revocation")):
        app.add_url_rule(
            f"/{path}", path, lambda name=endpoint: server.create_endpoint_response(name), methods=["POST"]
        )
    return app


if __name__ == "__main__":
    create_app(f"http://127.0.0.1:{sys.argv[1]}").run("127.0.0.1", int(sys.argv[1]))

"""An identity provider: it signs JSON Web Tokens and publishes its keys as a JWKS file."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ISSUER = "https://idp.example.com"
AUDIENCE = "llm-api"

_PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class IdentityProvider:
    """Signs with keys of its own, one for each algorithm."""

    def __init__(self, issuer: str = ISSUER) -> None:
        self.issuer = issuer
        self._keys: dict[str, _PrivateKey] = {
            "ES256": ec.generate_private_key(ec.SECP256R1()),
            "RS256": rsa.generate_private_key(65537, 2048),
            "PS256": rsa.generate_private_key(65537, 2048),
            "EdDSA": ed25519.Ed25519PrivateKey.generate(),
        }

    def publish(self, path: Path) -> None:
        """Write the public keys as a JWK Set (RFC 7517)."""
        path.write_text(json.dumps({"keys": [self._public(name) for name in self._keys]}))

    def token(
        self, scope: str = "llm:read llm:write", algorithm: str = "ES256", *, expires_in: int = 600, **claims: Any
    ) -> str:
        """A signed token of the subject `alice`, valid from a minute ago; a claim given as None is left out."""
        now = int(time.time())
        everything = {
            "iss": self.issuer,
            "sub": "alice",
            "aud": AUDIENCE,
            "client_id": "demo-app",
            "scope": scope,
            "iat": now + min(expires_in, 0) - 60,
            "nbf": now + min(expires_in, 0) - 60,
            "exp": now + expires_in,
            "jti": str(uuid.uuid4()),
            **claims,
        }
        present = {name: value for name, value in everything.items() if value is not None}
        return jwt.encode(present, self._keys[algorithm], algorithm, {"kid": algorithm.lower(), "typ": "at+jwt"})

    def _public(self, name: str) -> dict[str, Any]:
        algorithm = jwt.get_algorithm_by_name(name)
        public: dict[str, Any] = algorithm.to_jwk(self._keys[name].public_key(), as_dict=True)
        public.pop("key_ops", None)
        return {**public, "kid": name.lower(), "alg": name, "use": "sig"}

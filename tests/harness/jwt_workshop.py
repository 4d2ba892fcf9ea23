"""An issuer of JWTs for tests: sound ones, and every broken one that an attacker may think of."""

from __future__ import annotations

import base64
import json
import time
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

ISSUER = "https://idp.example.com"
AUDIENCE = "llm-api"


def b64(data: bytes) -> str:
    """Unpadded base64url."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@cache
def private_key(kind: str, name: str = "one") -> Any:
    """A private key of the kind `rsa`, `rsa1024`, `p256`, `p384`, `ed25519`; the same one for the same name."""
    del name  # only tells keys of one kind apart
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[3:] or 2048))
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key({"p256": ec.SECP256R1(), "p384": ec.SECP384R1()}[kind])


def jwk(key: Any, **members: Any) -> dict[str, Any]:
    """The public JWK of a private key, with further members."""
    algorithms = get_default_algorithms()
    public = key.public_key()
    if isinstance(key, rsa.RSAPrivateKey):
        name = "RS256"
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        name = "ES256" if key.curve.name == "secp256r1" else "ES384"
    else:
        name = "EdDSA"
    document: dict[str, Any] = algorithms[name].to_jwk(public, as_dict=True)
    document.pop("key_ops", None)
    return {**document, **members}


def jwks(*members: dict[str, Any]) -> bytes:
    """A JWK Set."""
    return json.dumps({"keys": members}).encode()


def pem(key: Any) -> bytes:
    """The public key as PEM."""
    encoded: bytes = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


def claims(**changes: Any) -> dict[str, Any]:
    """Claims of a sound access token; None as a value leaves the claim out."""
    now = int(time.time())
    sound = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "alice",
        "client_id": "app",
        "scope": "llm:read llm:write",
        "iat": now,
        "exp": now + 6 * 3600,  # longer than any run of the tests, which make tables of these at import
        "jti": "id-1",
    }
    return {name: value for name, value in {**sound, **changes}.items() if value is not None}


def sign_raw(header: bytes | str, payload: bytes | str, key: Any, algorithm: str) -> str:
    """A JWS over any bytes; a `str` part is taken as encoded already."""
    first = header if isinstance(header, str) else b64(header)
    second = payload if isinstance(payload, str) else b64(payload)
    signed = f"{first}.{second}".encode("ascii")
    signature = get_default_algorithms()[algorithm].sign(signed, key)
    return f"{first}.{second}.{b64(signature)}"


def sign(body: dict[str, Any], key: Any, algorithm: str = "ES256", **header: Any) -> str:
    """A JWT with `typ` at+jwt; further header members by keyword, None leaves one out."""
    members = {"alg": algorithm, "typ": "at+jwt", **header}
    members = {name: value for name, value in members.items() if value is not None}
    return sign_raw(json.dumps(members).encode(), json.dumps(body).encode(), key, algorithm)

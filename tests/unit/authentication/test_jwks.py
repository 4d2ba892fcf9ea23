from __future__ import annotations

import json
import math
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import get_default_algorithms

from sidecar.authentication.jose.jwks import LARGEST, UnusableKeys, read_jwks
from tests.harness.jwt_workshop import b64, jwk, jwks, private_key

ALL = ("RS256", "PS256", "ES256", "ES384", "EdDSA")
RSA, EC, ED = private_key("rsa"), private_key("p256"), private_key("ed25519")
GOOD = jwk(ED, kid="good")


def number(value: int) -> str:
    return b64(value.to_bytes(-(-value.bit_length() // 8)))


def roca_modulus() -> int:
    """A 2048-bit number of the form that Infineon's generator makes: 65537**a modulo a primorial, plus a multiple."""
    primes = [p for p in range(2, 702) if all(p % q for q in range(2, math.isqrt(p) + 1))]
    primorial = math.prod(primes)
    return pow(65537, 12345, primorial) + primorial * (2**2047 // primorial + 1)


def kids(*members: dict[str, Any], algorithms: tuple[str, ...] = ALL) -> set[str | None]:
    return {key.kid for key in read_jwks(jwks(GOOD, *members), algorithms).keys} - {"good"}


@pytest.mark.parametrize(
    "member",
    [
        jwk(RSA, kid="k"),
        jwk(RSA, kid="k", use="sig"),
        jwk(RSA, kid="k", alg="PS256"),
        jwk(EC, kid="k", key_ops=["verify"]),
        jwk(EC, kid="k", alg="ES256", x5c=["ignored"]),
        jwk(private_key("p384"), kid="k"),
    ],
)
def test_sound_key_is_used(member: dict[str, Any]) -> None:
    assert kids(member) == {"k"}


def private_jwk(key: Any) -> dict[str, Any]:
    name = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256" if key is EC else "EdDSA"
    document: dict[str, Any] = get_default_algorithms()[name].to_jwk(key, as_dict=True)
    document.pop("key_ops", None)
    return {**document, "kid": "k"}


WEAK = rsa.generate_private_key(65537, 1024)


@pytest.mark.parametrize(
    "member",
    [
        jwk(RSA, kid="k", use="enc"),
        jwk(RSA, kid="k", use=""),
        jwk(RSA, kid="k", use=["sig"]),
        jwk(RSA, kid="k", key_ops=["encrypt"]),
        jwk(RSA, kid="k", key_ops=["sign"]),
        jwk(RSA, kid="k", key_ops=[]),
        jwk(RSA, kid="k", key_ops="verify"),
        jwk(RSA, kid="k", alg="RS512"),
        jwk(RSA, kid="k", alg="RSA-OAEP"),
        jwk(RSA, kid="k", alg="HS256"),
        jwk(RSA, kid="k", alg=["RS256"]),
        jwk(EC, kid="k", alg="RS256"),
        jwk(EC, kid="k", alg="ES384"),
        jwk(WEAK, kid="k"),
        {**jwk(RSA, kid="k"), "e": number(1)},
        {**jwk(RSA, kid="k"), "e": number(3)},
        {**jwk(RSA, kid="k"), "e": number(65536)},
        {**jwk(RSA, kid="k"), "e": number(2**64 + 1)},
        {**jwk(RSA, kid="k"), "n": number(roca_modulus())},
        {**jwk(RSA, kid="k"), "n": number(2**9000 + 1)},
        {**jwk(RSA, kid="k"), "n": ""},
        {**jwk(RSA, kid="k"), "n": 5},
        {**jwk(RSA, kid="k"), "d": "AQAB"},
        {**jwk(EC, kid="k"), "d": "AQAB"},
        {**jwk(EC, kid="k"), "crv": "P-384"},
        {**jwk(EC, kid="k"), "crv": "secp256k1"},
        {**jwk(EC, kid="k"), "crv": ["P-256"]},
        {**jwk(EC, kid="k"), "y": jwk(EC)["x"]},
        {**jwk(EC, kid="k"), "x": "AA", "y": "AA"},
        {**jwk(ED, kid="k"), "crv": "X25519"},
        {**jwk(ED, kid="k"), "x": "AA"},
        private_jwk(RSA),
        private_jwk(EC),
        private_jwk(ED),
        {"kty": "oct", "k": b64(b"x" * 32), "kid": "k"},
        {"kty": "oct", "k": b64(b"x" * 32), "kid": "k", "alg": "HS256"},
        {"kty": "RSA", "kid": "k"},
        {"kty": "none", "kid": "k"},
        {"kid": "k"},
        {},
        jwk(EC, kid=""),
        jwk(EC, kid=5),
        jwk(EC, kid=["k"]),
    ],
)
def test_unsound_key_is_left_out_and_the_others_stay(member: dict[str, Any]) -> None:
    assert kids(member) == set()


def test_keys_that_share_a_kid_are_all_left_out() -> None:
    assert kids(jwk(EC, kid="k"), jwk(RSA, kid="k")) == set()
    assert kids(jwk(EC, kid="k"), {"kty": "oct", "k": "AAAA", "kid": "k"}) == set()


def test_algorithms_are_only_those_of_the_issuer() -> None:
    assert kids(jwk(RSA, kid="k"), algorithms=("ES256", "EdDSA")) == set()
    (key,) = read_jwks(jwks(jwk(RSA, kid="k", alg="PS256")), ALL).keys
    assert set(key.verifiers) == {"PS256"}
    (key,) = read_jwks(jwks(jwk(RSA, kid="k")), ("RS256", "PS256")).keys
    assert set(key.verifiers) == {"RS256", "PS256"}


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"<html>",
        b'{"keys":{}}',
        b'{"keys":[]}',
        b'{"keys":[1,null,"x",[]]}',
        b'{"keys":' + b"[" * 100_000,
        b"\xff\xfe",
        jwks({"kty": "oct", "k": "AAAA"}),
        jwks(*[jwk(EC, kid=str(number)) for number in range(65)]),
        jwks(GOOD) + b" " * LARGEST,
    ],
    ids=range(13),
)
def test_document_without_usable_keys_is_refused(document: bytes) -> None:
    with pytest.raises(UnusableKeys):
        read_jwks(document, ALL)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
MEMBER = st.dictionaries(
    st.sampled_from(["kty", "kid", "use", "alg", "key_ops", "crv", "x", "y", "n", "e"]),
    JSON | st.sampled_from(["RSA", "EC", "OKP", "P-256", "Ed25519", "AQAB", jwk(RSA)["n"], jwk(EC)["x"]]),
)


@given(st.lists(MEMBER | JSON, max_size=4))
def test_any_document_is_read_or_refused(members: list[Any]) -> None:
    try:
        keys = read_jwks(json.dumps({"keys": members}).encode(), ALL)
    except UnusableKeys:
        return
    assert all(key.verifiers for key in keys.keys)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(document: bytes) -> None:
    with pytest.raises(UnusableKeys):
        read_jwks(document, ALL)

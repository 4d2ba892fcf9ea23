"""Reading a JWK Set and keeping only keys that are safe to verify with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt import InvalidKeyError, PyJWK, PyJWTError
from jwt.algorithms import Algorithm

from sidecar.errors import PortcullisError

LARGEST = 256 * 1024
_MOST_KEYS = 64
_LARGEST_RSA_BITS = 8192
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
# Moduli from Infineon's flawed generator (CVE-2017-15361) are powers of 65537 modulo every small prime.
_ROCA_PRIMES = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)
_ROCA = tuple((prime, frozenset(pow(65537, power, prime) for power in range(prime))) for prime in _ROCA_PRIMES)


class UnusableKeys(PortcullisError):
    """A document is no JWK Set, or holds no key that may be used; the keys known before stay in force."""


@dataclass(frozen=True, slots=True, eq=False)
class VerificationKey:
    """One public key with the library's verifiers, by algorithm name. `thumbprint` is unique to the key."""

    kid: str | None
    thumbprint: str
    verifiers: Mapping[str, tuple[Algorithm, Any]]

    def verify(self, algorithm: str, signed: bytes, signature: bytes) -> bool:
        """Whether `signature` over `signed` is this key's under `algorithm`; False for an algorithm not its own."""
        verifier = self.verifiers.get(algorithm)
        if verifier is None:
            return False
        method, key = verifier
        return method.verify(signed, key, signature)


class KeySet:
    """The usable keys of one issuer. `refused` counts the members that were left out."""

    def __init__(self, keys: tuple[VerificationKey, ...], refused: int) -> None:
        self.keys, self.refused = keys, refused
        self.thumbprints = frozenset(key.thumbprint for key in keys)
        self._by_kid = {key.kid: key for key in keys if key.kid is not None}

    def find(self, kid: str | None, algorithm: str) -> VerificationKey | None:
        """The key named `kid`; without a kid the only key that knows `algorithm`."""
        if kid is not None:
            return self._by_kid.get(kid)
        able = [key for key in self.keys if algorithm in key.verifiers]
        return able[0] if len(able) == 1 else None


def read_jwks(data: bytes, algorithms: tuple[str, ...]) -> KeySet:
    """The keys of a JWK Set (RFC 7517) that may verify one of `algorithms`.

    A member is left out when it is private or symmetric, meant for something else (`use`, `key_ops`), weak (RSA below
    2048 bits or above 8192, a small or even exponent, ROCA), off its curve, of a kid that occurs twice, or unreadable.
    Raises UnusableKeys when nothing remains, or when the document is no JWK Set.
    """
    if len(data) > LARGEST:
        raise UnusableKeys("jwks_too_large")
    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError, ValueError):
        raise UnusableKeys("jwks_malformed") from None
    members = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(members, list) or len(members) > _MOST_KEYS:
        raise UnusableKeys("jwks_malformed")
    read = [_read(member, algorithms) for member in members]
    kids = [member.get("kid") for member in members if isinstance(member, dict)]
    keys = tuple(key for key in read if key is not None and (key.kid is None or kids.count(key.kid) == 1))
    if not keys:
        raise UnusableKeys("jwks_empty")
    return KeySet(keys, len(members) - len(keys))


def _read(member: Any, allowed: tuple[str, ...]) -> VerificationKey | None:
    if not isinstance(member, dict) or not _meant_for_signatures(member):
        return None
    kid, declared = member.get("kid"), member.get("alg")
    if not (kid is None or (isinstance(kid, str) and kid)) or not (declared is None or isinstance(declared, str)):
        return None
    able = tuple(name for name in _algorithms_of(member) if name in allowed and declared in (None, name))
    verifiers = {}
    for name in able:
        try:
            jwk = PyJWK({**member, "alg": name}, name)
        except (PyJWTError, InvalidKeyError, ValueError, TypeError, AttributeError, OverflowError):
            return None
        if not _is_sound(jwk.key):
            return None
        verifiers[name] = (jwk.Algorithm, jwk.key)
    if not verifiers:
        return None
    public = {name: value for name, value in member.items() if name in {"kty", "n", "e", "crv", "x", "y"}}
    digest = hashlib.sha256(msgspec.json.encode(public, order="deterministic")).hexdigest()
    return VerificationKey(kid, digest, verifiers)


def _meant_for_signatures(member: dict[str, Any]) -> bool:
    operations = member.get("key_ops")
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        return False
    return member.get("use") in (None, "sig")


def _algorithms_of(member: dict[str, Any]) -> tuple[str, ...]:
    kty, curve = member.get("kty"), member.get("crv")
    if kty == "RSA":
        return _RSA
    if kty == "EC" and isinstance(curve, str) and curve in _CURVES:
        return (_CURVES[curve],)
    if kty == "OKP" and curve == "Ed25519":
        return ("EdDSA",)
    return ()


def _is_sound(key: Any) -> bool:
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        roca = all(numbers.n % prime in residues for prime, residues in _ROCA)
        sound_exponent = numbers.e >= 65537 and numbers.e % 2 == 1 and numbers.e.bit_length() <= 32
        return 2048 <= key.key_size <= _LARGEST_RSA_BITS and sound_exponent and not roca
    # Private keys are of other types: one that has been published is everybody's.
    return isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey)

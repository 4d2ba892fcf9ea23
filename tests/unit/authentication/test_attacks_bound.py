"""Attacks on tokens that are bound to a key or a certificate, and on workloads' certificates."""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from sidecar.authentication import Authentication, build
from sidecar.authentication.dpop import LocalReplays, jwk_thumbprint
from sidecar.errors import InvalidCredential
from sidecar.metrics import Metrics
from tests.harness.jwt_workshop import b64, claims, jwk, private_key, sign
from tests.unit.authentication.support import bearer, request, settings, with_jwks

EC = private_key("p256")
HOLDER, THIEF = private_key("p256", "holder"), private_key("p256", "thief")
TARGET = "https://api.example.com/v1/chat/completions"
BOUND = sign(claims(cnf={"jkt": jwk_thumbprint(jwk(HOLDER))}), EC, kid="ec")
LOOSE = sign(claims(), EC, kid="ec")


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[Authentication]:
    built = await with_jwks(tmp_path, jwk(EC, kid="ec"))
    yield built
    await built.stop()


def proof_claims(**changes: Any) -> dict[str, Any]:
    sound: dict[str, Any] = {
        "jti": f"{time.monotonic_ns()}",
        "htm": "POST",
        "htu": TARGET,
        "iat": int(time.time()),
        "ath": b64(hashlib.sha256(BOUND.encode()).digest()),
    }
    age = changes.pop("age", 0)
    sound["iat"] -= age
    return {name: value for name, value in {**sound, **changes}.items() if value is not None}


def proof(key: Any = HOLDER, header: dict[str, Any] | None = None, **changes: Any) -> str:
    members = {"typ": "dpop+jwt", "jwk": jwk(key), **(header or {})}
    return sign(proof_claims(**changes), key, "ES256", **members)


def shown(proof_value: str | None, token: str = BOUND, way: str = "DPoP", **fields: Any) -> Any:
    headers = [("authorization", f"{way} {token}")]
    if proof_value is not None:
        headers.append(("dpop", proof_value))
    return request(*headers, **fields)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"htu": "HTTPS://API.EXAMPLE.COM/v1/chat/completions"},
        {"htu": "https://api.example.com:8443/v1/chat/completions"},
        {"htu": "https://api.example.com/v1/ch%61t/completions"},
        {"age": 30},
        {"age": -30},
    ],
)
async def test_holder_of_the_key_is_accepted(gate: Authentication, change: dict[str, Any]) -> None:
    principal = await gate.authenticate(shown(proof(**change)))
    assert principal is not None
    assert principal.subject == "alice"


PRIVATE = {**jwk(HOLDER), "d": "AAAA"}
PROOFS: dict[str, Any] = {
    "none": None,
    "empty": "",
    "access token as proof": BOUND,
    "ath missing": {"ath": None},
    "ath of another token": {"ath": b64(hashlib.sha256(LOOSE.encode()).digest())},
    "ath padded": {"ath": b64(hashlib.sha256(BOUND.encode()).digest()) + "="},
    "htu with query": {"htu": TARGET + "?x=1"},
    "htu with empty query": {"htu": TARGET + "?"},
    "htu with fragment": {"htu": TARGET + "#x"},
    "htu other path": {"htu": "https://api.example.com/v1/models"},
    "htu other host": {"htu": "https://evil.example/v1/chat/completions"},
    "htu other scheme": {"htu": "http://api.example.com/v1/chat/completions"},
    "htu with user": {"htu": "https://api.example.com@evil.example/v1/chat/completions"},
    "htu dot segments": {"htu": "https://api.example.com/v1/x/../chat/completions"},
    "htu bad port": {"htu": "https://api.example.com:x/v1/chat/completions"},
    "htu bracket": {"htu": "https://[api.example.com/v1/chat/completions"},
    "htu array": {"htu": [TARGET]},
    "htu missing": {"htu": None},
    "htm other": {"htm": "GET"},
    "htm lower": {"htm": "post"},
    "htm missing": {"htm": None},
    "iat old": {"age": 70},
    "iat early": {"age": -70},
    "iat missing": {"iat": None},
    "iat text": {"iat": str(int(time.time()))},
    "iat float": {"iat": time.time()},
    "iat true": {"iat": True},
    "jti missing": {"jti": None},
    "jti empty": {"jti": ""},
    "jti number": {"jti": 7},
    "jti long": {"jti": "x" * 257},
    "typ at+jwt": {"header": {"typ": "at+jwt"}},
    "typ missing": {"header": {"typ": None}},
    "no jwk": {"header": {"jwk": None}},
    "jwk of somebody else": {"header": {"jwk": jwk(THIEF)}},
    "private jwk": {"header": {"jwk": PRIVATE}},
    "symmetric jwk": {"header": {"jwk": {"kty": "oct", "k": "AAAA"}}},
    "jwk no object": {"header": {"jwk": [jwk(HOLDER)]}},
    "kid instead": {"header": {"jwk": None, "kid": "ec"}},
    "kid besides": {"header": {"kid": "ec"}},
    "jku besides": {"header": {"jku": "http://127.0.0.1:1/"}},
    "crit": {"header": {"crit": ["exp"]}},
    "alg none": b64(b'{"alg":"none","typ":"dpop+jwt","jwk":{}}') + "." + b64(b"{}") + ".AA",
    "thief's key": {"key": THIEF},
}


@pytest.mark.parametrize("attack", PROOFS.values(), ids=PROOFS.keys())
async def test_unsound_proof_is_refused(gate: Authentication, attack: Any) -> None:
    value = proof(**attack) if isinstance(attack, dict) else attack
    with pytest.raises(InvalidCredential):
        await gate.authenticate(shown(value))


async def test_proof_is_good_once(gate: Authentication) -> None:
    value = proof()
    await gate.authenticate(shown(value))
    with pytest.raises(InvalidCredential, match="dpop_replayed"):
        await gate.authenticate(shown(value))


async def test_proof_does_not_fit_another_request(gate: Authentication) -> None:
    for fields in ({"method": "GET"}, {"path": "/v1/models"}, {"host": "other.example.com"}, {"scheme": "http"}):
        with pytest.raises(InvalidCredential, match="dpop_target"):
            await gate.authenticate(shown(proof(), **fields))


async def test_bound_token_is_no_bearer_token_and_a_loose_one_no_dpop_token(gate: Authentication) -> None:
    for attack in (shown(proof(), way="Bearer"), shown(None, way="Bearer"), shown(proof(), token=LOOSE)):
        with pytest.raises(InvalidCredential, match="dpop_scheme"):
            await gate.authenticate(attack)


async def test_memory_of_proofs_ends_with_the_window() -> None:
    now = [0.0]
    replays = LocalReplays(lambda: now[0])
    assert await replays.is_first("a", 10)
    assert not await replays.is_first("a", 10)
    now[0] = 10.0
    assert await replays.is_first("a", 10)


def certificate(key: Any, *uris: str) -> str:
    """A certificate as Envoy passes it on: URL-encoded PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "workload")])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
    )
    if uris:
        names = [x509.UniformResourceIdentifier(uri) for uri in uris]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return quote(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode(), safe="")


def thumbprint(encoded: str) -> str:
    parsed = x509.load_pem_x509_certificate(unquote(encoded).encode())
    return b64(hashlib.sha256(parsed.public_bytes(Encoding.DER)).digest())


MINE, OTHER = certificate(HOLDER), certificate(THIEF)
CERTIFIED = sign(claims(cnf={"x5t#S256": thumbprint(MINE)}), EC, kid="ec")


async def test_token_bound_to_a_certificate_works_with_it_alone(gate: Authentication) -> None:
    for _ in range(2):
        assert await gate.authenticate(bearer(CERTIFIED, peer_certificate=MINE)) is not None
        for wrong in ("", OTHER, "%", "-----BEGIN", "x" * 40_000, MINE[:-40], "%00", quote("é")):
            with pytest.raises(InvalidCredential, match="certificate_"):
                await gate.authenticate(bearer(CERTIFIED, peer_certificate=wrong))


@pytest.mark.parametrize("name", ["x-forwarded-client-cert", "client-cert", "x-ssl-client-cert"])
async def test_certificate_in_a_header_proves_nothing(gate: Authentication, name: str) -> None:
    attack = request(("authorization", f"Bearer {CERTIFIED}"), (name, f"Cert={MINE}"))
    with pytest.raises(InvalidCredential, match="certificate_missing"):
        await gate.authenticate(attack)


@pytest.mark.parametrize(
    "cnf",
    [
        {},
        None,
        [],
        "x",
        {"jkt": 1},
        {"jkt": ""},
        {"x5t#S256": "AAAA"},
        {"jwk": jwk(HOLDER)},
        {"kid": "x"},
        {"jkt": jwk_thumbprint(jwk(HOLDER)), "x5t#S256": thumbprint(MINE)},
    ],
)
async def test_confirmation_that_cannot_be_checked_is_refused(gate: Authentication, cnf: Any) -> None:
    body = {**claims(), "cnf": cnf}
    with pytest.raises(InvalidCredential, match="jwt_confirmation"):
        await gate.authenticate(bearer(sign(body, EC, kid="ec"), peer_certificate=MINE))


WORKLOADS = [
    {"id": "spiffe://prod.example/ns/ml/sa/batch", "scopes": ["llm:write"], "tenant": "ml", "plan": "gold"},
    {"id": "spiffe://prod.example/ns/web/*", "scopes": ["llm:read"]},
]


@pytest.fixture
def workloads() -> Authentication:
    return build(settings(Path(), workloads=WORKLOADS), None, Metrics())


async def test_workload_is_known_by_its_certificate(workloads: Authentication) -> None:
    name = "spiffe://prod.example/ns/ml/sa/batch"
    for fields in ({}, {"peer_certificate": certificate(HOLDER, name)}):
        principal = await workloads.authenticate(request(peer_principal=name, **fields))
        assert principal is not None
        assert (principal.id, principal.kind, principal.tenant, principal.plan) == (name, "workload", "ml", "gold")
        assert principal.scopes == {"llm:write"}
    below = await workloads.authenticate(request(peer_principal="spiffe://prod.example/ns/web/sa/front"))
    assert below is not None
    assert below.scopes == {"llm:read"}


@pytest.mark.parametrize(
    "name",
    [
        "spiffe://prod.example/ns/ml/sa/batch2",
        "spiffe://prod.example/ns/ml/sa/batch/",
        "spiffe://prod.example/ns/ml/sa",
        "spiffe://prod.example/ns/web",
        "spiffe://prod.example/ns/web/",
        "spiffe://prod.example/ns/webx/a",
        "spiffe://prod.example/ns/web/../ml/sa/batch",
        "spiffe://prod.example/ns/web/./a",
        "spiffe://prod.example/ns/web//a",
        "spiffe://prod.example/ns/web/a%2fb",
        "spiffe://prod.example/ns/web/a\n",
        "spiffe://prod.example/ns/web/" + "a" * 2048,
        "spiffe://PROD.example/ns/web/a",
        "spiffe://evil.example/ns/ml/sa/batch",
        "spiffe://prod.example@evil.example/ns/ml/sa/batch",
        "spiffe://prod.example:443/ns/ml/sa/batch",
        "spiffe:///ns/ml/sa/batch",
        "spiffe:prod.example/ns/ml/sa/batch",
    ],
)
async def test_other_workloads_are_refused(workloads: Authentication, name: str) -> None:
    with pytest.raises(InvalidCredential, match="workload_"):
        await workloads.authenticate(request(peer_principal=name))


async def test_certificate_with_several_identities_is_refused(workloads: Authentication) -> None:
    name = "spiffe://prod.example/ns/ml/sa/batch"
    for uris in ((), (name, "spiffe://prod.example/other"), ("spiffe://prod.example/other",)):
        with pytest.raises(InvalidCredential, match="certificate_identity"):
            await workloads.authenticate(request(peer_principal=name, peer_certificate=certificate(HOLDER, *uris)))


async def test_certificate_without_spiffe_id_is_no_credential(workloads: Authentication) -> None:
    for name in ("", "CN=workload", "workload.example.com", "https://prod.example/x"):
        assert await workloads.authenticate(request(peer_principal=name)) is None

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sidecar.authentication import Authentication
from sidecar.authentication.jose.verifier import Jwts
from sidecar.authentication.revoked_jwts import RevokedJwts
from sidecar.authentication.settings import ThrottleSettings
from sidecar.authentication.throttle import FailureThrottle
from sidecar.errors import InvalidCredential
from tests.harness.jwt_workshop import ISSUER, claims, jwk, private_key, sign
from tests.unit.authentication.jwt_attacks import ATTACKS, EC, ED, RSA, es, header_bytes, signed_with
from tests.unit.authentication.support import bearer, request, with_jwks


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[Authentication]:
    built = await with_jwks(tmp_path, jwk(RSA, kid="rsa"), jwk(EC, kid="ec"), jwk(ED, kid="ed"))
    yield built
    await built.stop()


@pytest.mark.parametrize(
    "attack", [value for _, value in ATTACKS], ids=[f"{number} {name[:12]}" for number, (name, _) in enumerate(ATTACKS)]
)
async def test_attack_is_refused(gate: Authentication, attack: str) -> None:
    with pytest.raises(InvalidCredential) as refused:
        await gate.authenticate(bearer(attack))
    assert refused.value.code.startswith(("jwt_", "malformed_", "key_", "api_key_"))
    assert attack not in str(refused.value)


@pytest.mark.parametrize(
    "value",
    [
        es(claims()),
        es(claims(), typ="JWT"),
        es(claims(), typ="application/at+jwt"),
        es(claims(), typ=None),
        es(claims(aud=["other", "llm-api"])),
        es(claims(exp=int(time.time()) + 6000, nbf=int(time.time()) - 5)),
        es(claims(scope=None, scp=["llm:read", "llm:write"])),
        es(claims(scope="llm:read", scp="llm:write")),
        es(claims(sub=None)),
        es(claims(client_id=None, azp="app")),
        es(claims(x={"deep": [1, 2.5, {"er": None}]})),
        sign(claims(), RSA, "RS256", kid="rsa"),
        sign(claims(), RSA, "PS256", kid="rsa"),
        sign(claims(), ED, "EdDSA", kid="ed"),
        sign(claims(), ED, "EdDSA"),  # no kid, and one key that fits
    ],
)
async def test_sound_jwt_is_accepted_twice(gate: Authentication, value: str) -> None:
    for _ in range(2):
        principal = await gate.authenticate(bearer(value))
        assert principal is not None
        assert principal.id.startswith(f"jwt:{ISSUER}|")
        assert principal.scopes == {"llm:read", "llm:write"}


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS512", "ES384", "es256", ""])
async def test_algorithm_outside_the_list_is_refused_before_any_key_is_sought(
    gate: Authentication, algorithm: str
) -> None:
    with pytest.raises(InvalidCredential, match="jwt_algorithm"):
        await gate.authenticate(bearer(signed_with(header_bytes(alg=algorithm, kid="nobody"))))


async def test_json_serialisation_is_no_bearer_token(gate: Authentication) -> None:
    head, body, signature = es(claims()).split(".")
    general = json.dumps({"payload": body, "signatures": [{"protected": head, "signature": signature}]})
    with pytest.raises(InvalidCredential):
        await gate.authenticate(bearer(general))


async def test_jwt_is_not_taken_from_a_key_header(gate: Authentication) -> None:
    assert await gate.authenticate(request(("x-api-key", es(claims())))) is None


async def test_leeway_is_the_same_on_both_sides_and_on_every_showing(gate: Authentication) -> None:
    jwts = gate._verifiers.jwts
    assert jwts is not None
    now = int(time.time())
    value = es(claims(iat=now, nbf=now, exp=now + 600))
    for shift, accepted in ((-31, False), (-29, True), (0, True), (629, True), (630, False)):
        jwts._clock = lambda shift=shift: float(now + shift)  # type: ignore[misc]
        for _ in range(2):
            if accepted:
                await gate.authenticate(bearer(value))
            else:
                with pytest.raises(InvalidCredential):
                    await gate.authenticate(bearer(value))


async def test_keys_of_one_issuer_vouch_for_no_other(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(json.dumps({"keys": [jwk(private_key("p256", "other"), kid="ec")]}))
    gate = await with_jwks(tmp_path, jwk(EC, kid="ec"))
    issuers = gate._verifiers.jwts._issuers  # type: ignore[union-attr]
    other = issuers[ISSUER].settings.model_copy(
        update={"issuer": "https://other.example", "jwks_file": tmp_path / "other.json"}
    )
    both = Jwts(
        (issuers[ISSUER].settings, other), 16, FailureThrottle(ThrottleSettings()), gate._http, RevokedJwts(None, "")
    )
    await both.start()
    assert both.authenticate(es(claims()), request())[0].issuer == ISSUER
    foreign = sign(claims(iss="https://other.example"), private_key("p256", "other"), kid="ec")
    assert both.authenticate(foreign, request())[0].issuer == "https://other.example"
    for crossed_over in (
        es(claims(iss="https://other.example")),
        sign(claims(), private_key("p256", "other"), kid="ec"),
    ):
        with pytest.raises(InvalidCredential, match="jwt_signature"):
            both.authenticate(crossed_over, request())
    await both.stop()
    await gate.stop()


async def test_client_tenant_and_plan_come_from_claims_when_configured(tmp_path: Path) -> None:
    gate = await with_jwks(
        tmp_path, jwk(EC, kid="ec"), client_ids=["app"], tenant_claim="org", plan_claim="tier", types=["at+jwt"]
    )
    principal = await gate.authenticate(bearer(es(claims(org="acme", tier="gold"))))
    assert principal is not None
    assert (principal.client_id, principal.tenant, principal.plan) == ("app", "acme", "gold")
    for wrong in (
        es(claims(org="acme")),
        es(claims(tier="gold")),
        es(claims(org="acme", tier="gold", client_id="other")),
        es(claims(org="a\nb", tier="gold")),
        es(claims(org=["acme"], tier="gold")),
        es(claims(org="acme", tier="gold"), typ="JWT"),
        es(claims(org="acme", tier="gold"), typ=None),
    ):
        with pytest.raises(InvalidCredential):
            await gate.authenticate(bearer(wrong))
    await gate.stop()

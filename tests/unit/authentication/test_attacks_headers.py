"""Attacks through everything around the credential: other headers, queries, methods; and what is told about them."""

from __future__ import annotations

import itertools
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from sidecar.authentication import Authentication, build
from sidecar.authentication.api_keys import KeyAdministration, KeyRequest, text
from sidecar.authorization import Authorization, AuthorizationSettings
from sidecar.errors import InvalidCredential, PortcullisError
from sidecar.metrics import Metrics
from tests.harness.jwt_workshop import AUDIENCE, ISSUER, claims, jwk, jwks, private_key, sign
from tests.unit.authentication.jwt_attacks import ATTACKS, es
from tests.unit.authentication.support import bearer, key_tools, request, settings

EC = private_key("p256")


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
async def keys(tmp_path: Path) -> KeyAdministration:
    (tmp_path / "jwks.json").write_bytes(jwks(jwk(EC, kid="ec")))
    return key_tools(settings(tmp_path, api_keys={"file": "keys.yaml"}))


@pytest.fixture
async def key(keys: KeyAdministration) -> str:
    return (await keys.create(KeyRequest(environment="live", owner="ann")))[1]


@pytest.fixture
async def gate(tmp_path: Path, key: str, metrics: Metrics) -> AsyncIterator[Authentication]:
    issuer = {"issuer": ISSUER, "audiences": [AUDIENCE], "jwks_file": "jwks.json"}
    configured = settings(
        tmp_path, api_keys={"file": "keys.yaml"}, jwt=[issuer], failed_credentials={"failures": 10_000}
    )
    built = build(configured, None, metrics)
    await built.start()
    yield built
    await built.stop()


async def test_credential_in_the_query_counts_for_nothing(gate: Authentication, key: str) -> None:
    for name in ("api_key", "key", "access_token", "authorization"):
        assert await gate.authenticate(request(query=f"{name}={key}")) is None


@pytest.mark.parametrize(
    "name",
    [
        "x-portcullis-principal", "x-user-id", "x_user_id", "x-auth-request-user", "x-forwarded-user", "remote-user",
        "x-envoy-auth-partial-body", "x-forwarded-client-cert", "client-cert", "proxy-authorization", "cookie",
        "x-forwarded-authorization", "x-original-authorization",
    ],
)  # fmt: skip
async def test_header_that_claims_an_identity_gives_none(gate: Authentication, key: str, name: str) -> None:
    assert await gate.authenticate(request((name, key))) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-forwarded-uri", "/healthz"), ("x-original-url", "/healthz"), ("x-rewrite-url", "/healthz"),
        ("x-envoy-original-path", "/healthz"), ("x-forwarded-method", "GET"), ("x-http-method-override", "GET"),
        ("x-forwarded-host", "public.example.com"), ("host", "public.example.com"), ("user-agent", "GoogleHC/1.0"),
        ("upgrade", "websocket"), ("origin", "https://app.example.com"), ("access-control-request-method", "GET"),
    ],
)  # fmt: skip
def test_header_does_not_move_a_request_to_another_route(name: str, value: str) -> None:
    table = Authorization(
        AuthorizationSettings.model_validate(
            {
                "routes": [
                    {"methods": ["GET"], "path": "/healthz", "public": True},
                    {"methods": ["GET", "POST"], "path": "/**", "hosts": ["public.example.com"], "public": True},
                    {"methods": ["POST"], "path": "/v1/admin", "scopes": ["llm:admin"]},
                ]
            }
        ),
        {},
        Metrics(),
    )
    plain = request(path="/v1/admin")
    dressed = request((name, value), path="/v1/admin")
    assert table.route(dressed) == table.route(plain)
    route = table.route(dressed)
    assert route is not None
    assert not route.public


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "TRACE", "CONNECT", "PATCH", "get", "PRI"])
async def test_method_changes_nothing_about_the_credential(gate: Authentication, key: str, method: str) -> None:
    assert await gate.authenticate(request(method=method)) is None
    with pytest.raises(InvalidCredential):
        await gate.authenticate(bearer(key[:-1] + "~", method=method))


async def test_stored_hash_and_sealed_record_are_no_keys(
    gate: Authentication, keys: KeyAdministration, key: str
) -> None:
    record = await keys.get(key.split("_")[2])
    sealed = await keys._store.get(record.id)
    assert sealed is not None
    body = f"pcl_live_{record.id}_{record.mac[:43]}"
    for stolen in (record.mac, sealed.decode(), f"{body}_{text.checksum(body)}", record.id, record.family):
        with pytest.raises(InvalidCredential):
            await gate.authenticate(request(("x-api-key", stolen)))


async def test_nothing_secret_is_told(
    gate: Authentication,
    key: str,
    metrics: Metrics,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    good = es(claims())
    wrong = [text.generate("live")[1] for _ in range(20)] + [key[:-1] + ("0" if key[-1] != "0" else "1")]
    shown = [value for _, value in ATTACKS] + wrong + [key, good]
    told: list[str] = []
    with structlog.testing.capture_logs() as logged, caplog.at_level(logging.DEBUG):
        for value in shown:
            for headers in ([("authorization", f"Bearer {value}")], [("x-api-key", value)]):
                try:
                    told.append(repr(await gate.authenticate(request(*headers))))
                except PortcullisError as error:
                    told += [str(error), repr(error)]
    numbers = [*metrics.authentications.values]
    out, err = capfd.readouterr()
    everything = "\n".join([*told, repr(logged), caplog.text, repr(numbers), out, err])
    for value in shown:
        for part in (value, *value.split("."), *value.split("_")):
            assert len(part) < 24 or part not in everything
    assert all(code.replace("_", "").isalnum() and len(code) < 40 for _, code in numbers)


async def test_every_wrong_key_gives_the_same_kind_of_error(gate: Authentication, keys: KeyAdministration) -> None:
    revoked, revoked_key = await keys.create(KeyRequest(environment="live"))
    _, expired_key = await keys.create(KeyRequest(environment="live", expires_at=1))
    await keys.revoke(revoked.id)
    kinds = set()
    for value in (revoked_key, expired_key, text.generate("live")[1], text.generate("test")[1], "garbage" * 5):
        try:
            await gate.authenticate(request(("x-api-key", value)))
        except InvalidCredential as error:
            kinds.add(type(error))
    assert kinds == {InvalidCredential}


SCHEMES = ("Bearer ", "bearer ", "DPoP ", "Basic ", "", "Bearer  ", "Bearer\t")


async def test_any_mix_of_headers_is_decided(gate: Authentication, key: str) -> None:
    jwt = es(claims())
    values = [scheme + value for scheme in SCHEMES for value in (key, jwt, "", "x", key + ",", "\xff")]
    for first, second in itertools.product([None, *values], [None, key, "", "\xa0"]):
        headers = [("authorization", first)] if first is not None else []
        headers += [("x-api-key", second)] if second is not None else []
        try:
            principal = await gate.authenticate(request(*headers))
        except PortcullisError:
            continue
        accepted = {scheme + value for scheme in ("Bearer ", "bearer ") for value in (key, jwt)}
        assert principal is None or first in accepted or (first is None and second == key)
        assert principal is not None or (first is None and second is None)


async def test_subject_is_the_same_whichever_header_the_key_came_in(gate: Authentication, key: str) -> None:
    both = await gate.authenticate(request(("authorization", f"Bearer {key}"), ("x-api-key", key)))
    alone = await gate.authenticate(request(("x-api-key", key)))
    assert both == alone
    jwt = sign(claims(), EC, kid="ec")
    with pytest.raises(InvalidCredential, match="several_credentials"):
        await gate.authenticate(request(("authorization", f"Bearer {jwt}"), ("x-api-key", key)))

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from sidecar.authentication import Authentication, AuthenticationSettings
from sidecar.authentication.api_keys import KeyAdministration, KeyRequest, KeyState, text
from sidecar.errors import InvalidCommand, StoreUnavailable, TooManyFailures
from tests.unit.authentication.key_rig import Rig
from tests.unit.authentication.support import bearer, request

LIVE = KeyRequest(environment="live")


@pytest.fixture
def rig(key_settings: AuthenticationSettings) -> Rig:
    return Rig(key_settings)


async def test_key_becomes_principal(gate: Authentication, keys: KeyAdministration) -> None:
    wanted = KeyRequest(
        environment="live",
        owner="ann",
        tenant="acme",
        plan="free",
        scopes=("llm:write",),
        models=("small-*",),
        metadata={"team": "search"},
    )
    record, key = await keys.create(wanted)
    await asyncio.sleep(0.7)  # the gate rereads the file
    for shown in (bearer(key), request(("x-api-key", key)), request(("api-key", key))):
        principal = await gate.authenticate(shown)
        assert principal is not None
        assert (principal.id, principal.kind, principal.subject) == (f"key:{record.id}", "api_key", "ann")
        assert (principal.tenant, principal.plan, principal.models) == ("acme", "free", ("small-*",))
        assert principal.scopes == {"llm:write"}
        assert principal.budget == f"key:{record.family}"
        assert principal.metadata == {"team": "search"}
        assert key not in repr(principal)


async def test_request_without_credential_is_nobody(gate: Authentication) -> None:
    assert await gate.authenticate(request()) is None


async def test_verified_key_is_not_looked_up_again(rig: Rig) -> None:
    _, key = await rig.admin.create(LIVE)
    assert [await rig.code(key) for _ in range(10)] == ["ok"] * 10
    assert rig.store.lookups == 1


async def test_crowd_with_a_new_key_causes_one_lookup(rig: Rig) -> None:
    _, key = await rig.admin.create(LIVE)
    rig.store.delay = 0.02
    assert set(await asyncio.gather(*(rig.code(key) for _ in range(50)))) == {"ok"}
    assert rig.store.lookups == 1


async def test_wrong_keys(rig: Rig) -> None:
    record, key = await rig.admin.create(LIVE)
    other, other_key = await rig.admin.create(LIVE)
    swapped = key.replace(record.id, other.id)
    unknown = text.generate("live")[1]
    foreign = text.generate("test")[1]
    assert await rig.code(_resum(swapped)) == "key_secret"
    assert await rig.code(unknown) == "key_unknown"
    assert await rig.code(foreign) == "key_environment"
    assert await rig.code(key[:-1] + ("0" if key[-1] != "0" else "1")) == "key_malformed"
    assert await rig.code(record.mac) == "key_malformed"
    assert await rig.code(other_key) == "ok"


def _resum(key: str) -> str:
    return key[:-6] + text.checksum(key[:-7])


async def test_wrong_key_is_remembered_for_a_moment(rig: Rig) -> None:
    _, key = text.generate("live")
    await rig.admin.create(LIVE)
    assert await rig.code(key) == await rig.code(key) == "key_unknown"
    assert rig.store.lookups == 1
    rig.monotonic += rig.settings.refused_ttl + 0.1
    rig.store.confirmed_at = rig.monotonic
    await rig.code(key)
    assert rig.store.lookups == 2


async def test_wrong_secret_does_not_push_out_the_right_one(rig: Rig) -> None:
    record, key = await rig.admin.create(LIVE)
    await rig.code(key)
    _, other = text.generate("live")
    forged = _resum(f"pcl_live_{record.id}_{other.split('_')[3]}_000000")
    lookups = rig.store.lookups
    assert await rig.code(forged) == "key_secret"
    assert await rig.code(key) == "ok"
    assert rig.store.lookups == lookups + 1


@pytest.mark.parametrize(
    ("changes", "shift", "expected"),
    [
        ({"expires_at": 1_800_000_100}, 99, "ok"),
        ({"expires_at": 1_800_000_100}, 100, "key_expired"),
        ({"not_before": 1_800_000_100}, 99, "key_not_yet_valid"),
        ({"not_before": 1_800_000_100}, 100, "ok"),
        ({"addresses": ("192.0.2.0/24", "2001:db8::/32")}, 0, "ok"),
        ({"addresses": ("198.51.100.0/24",)}, 0, "key_address"),
        ({"addresses": ("2001:db8::/32",)}, 0, "key_address"),
    ],
)
@pytest.mark.parametrize("seen_before", [False, True])
async def test_conditions_of_a_key(
    rig: Rig, changes: dict[str, object], shift: int, expected: str, *, seen_before: bool
) -> None:
    _, key = await rig.admin.create(replace(LIVE, **changes))  # type: ignore[arg-type]
    if seen_before:
        await rig.code(key)
    rig.now += shift
    rig.keys._refused.clear()
    assert await rig.code(key) == expected


async def test_key_that_ended_is_looked_up_like_any_wrong_one(rig: Rig) -> None:
    _, key = await rig.admin.create(replace(LIVE, expires_at=1_800_000_100))
    await rig.code(key)
    rig.now += 200
    lookups = rig.store.lookups
    assert await rig.code(key) == "key_expired"
    assert rig.store.lookups == lookups + 1


async def test_maximum_age_ends_keys_that_never_expire(rig: Rig) -> None:
    _, key = await rig.admin.create(LIVE)
    rig.keys._settings = rig.settings.model_copy(update={"max_age": 50.0})
    assert await rig.code(key) == "ok"
    rig.now += 51
    assert await rig.code(key) == "key_expired"


async def test_revoked_key_stops_when_the_store_reports_it(rig: Rig) -> None:
    record, key = await rig.admin.create(LIVE)
    assert await rig.code(key) == "ok"
    revoked = await rig.admin.revoke(record.id)
    assert await rig.code(key) == "ok"  # nobody told this replica yet
    rig.keys._changed(record.id)
    assert await rig.code(key) == "key_revoked"
    assert (await rig.admin.revoke(record.id)).revoked_at == revoked.revoked_at


async def test_revoked_key_stops_within_the_bound_when_news_is_lost(rig: Rig) -> None:
    record, key = await rig.admin.create(LIVE)
    await rig.code(key)
    await rig.admin.revoke(record.id)
    rig.monotonic += rig.settings.revocation_bound + 0.1
    assert await rig.code(key) == "key_revoked"


async def test_news_during_a_lookup_is_not_lost(rig: Rig) -> None:
    record, key = await rig.admin.create(LIVE)
    rig.store.delay = 0.02
    first = asyncio.create_task(rig.code(key))
    await asyncio.sleep(0.005)
    rig.store.delay = 0
    await rig.admin.revoke(record.id)
    rig.keys._changed(record.id)
    assert await first == "ok"  # it was asked before
    assert await rig.code(key) == "key_revoked"


async def test_known_keys_go_on_while_the_store_is_down(rig: Rig) -> None:
    _, key = await rig.admin.create(LIVE)
    _, unseen = await rig.admin.create(LIVE)
    await rig.code(key)
    rig.store.down = True
    rig.monotonic += 60
    assert await rig.code(key) == "ok"
    lookups = rig.store.lookups
    assert await rig.code(key) == "ok"
    assert rig.store.lookups == lookups  # not asked again at once
    with pytest.raises(StoreUnavailable):
        await rig.code(unseen)
    rig.monotonic += rig.settings.max_stale + rig.settings.revocation_bound
    with pytest.raises(StoreUnavailable):
        await rig.code(key)
    rig.store.down = False
    rig.monotonic += 2
    assert await rig.code(key) == "ok"


async def test_slow_store_is_given_up(rig: Rig) -> None:
    _, key = await rig.admin.create(LIVE)
    rig.store.delay = 10
    with pytest.raises(StoreUnavailable, match="key_store_timeout"):
        await rig.code(key)
    await rig.keys.stop()


async def test_guessing_is_stopped_before_any_lookup(key_settings: AuthenticationSettings) -> None:
    rig = Rig(key_settings, failures=5)
    _, known = await rig.admin.create(LIVE)
    _, unseen = await rig.admin.create(LIVE)
    assert await rig.code(known) == "ok"
    codes = [await rig.code(text.generate("live")[1]) for _ in range(20)]
    assert codes == ["key_unknown"] * 5 + ["too_many_failures"] * 15
    assert rig.store.lookups == 6
    with pytest.raises(TooManyFailures):
        await rig.keys.authenticate(unseen, request())
    assert await rig.code(known) == "ok"  # a verified key is not held up by its neighbours
    assert await rig.code(unseen, "192.0.2.2") == "ok"


async def test_memory_of_keys_is_bounded(key_settings: AuthenticationSettings) -> None:
    assert key_settings.api_keys is not None
    small = key_settings.model_copy(update={"api_keys": key_settings.api_keys.model_copy(update={"cache_entries": 16})})
    rig = Rig(small)
    made = [await rig.admin.create(LIVE) for _ in range(20)]
    for _, key in made:
        assert await rig.code(key) == "ok"
    assert len(rig.keys._known) == len(rig.keys._digests) == 16


async def test_rotation_keeps_rights_and_budget_and_overlaps(rig: Rig) -> None:
    wanted = replace(LIVE, plan="free", scopes=("llm:write",), expires_at=1_800_000_000 + 1000)
    old, old_key = await rig.admin.create(wanted)
    rig.now += 100
    new, new_key = await rig.admin.rotate(old.id, overlap=60)
    assert (new.family, new.plan, new.scopes) == (old.family, "free", ("llm:write",))
    assert new.expires_at == 1_800_000_100 + 1000
    assert {await rig.code(old_key), await rig.code(new_key)} == {"ok"}
    principals = [await rig.keys.authenticate(key, request()) for key in (old_key, new_key)]
    assert principals[0].budget == principals[1].budget
    rig.now += 60
    assert await rig.code(old_key) == "key_expired"
    assert await rig.code(new_key) == "ok"
    with pytest.raises(InvalidCommand):
        await rig.admin.rotate(old.id, overlap=60)


async def test_rotation_without_overlap_ends_the_old_key(rig: Rig) -> None:
    old, old_key = await rig.admin.create(LIVE)
    await rig.admin.rotate(old.id, overlap=0)
    assert await rig.code(old_key) == "key_revoked"
    assert (await rig.admin.get(old.id)).state(rig.now) is KeyState.REVOKED


@pytest.mark.parametrize(
    "changes",
    [
        {"owner": "a\r\nb"},
        {"tenant": "a b"},
        {"tenant": "é"},
        {"plan": "\x00"},
        {"scopes": ('a"b',)},
        {"scopes": ("a b",)},
        {"models": ("\n",)},
        {"addresses": ("10.0.0.1/8",)},
        {"addresses": ("nowhere",)},
        {"environment": "Live"},
        {"environment": ""},
        {"name": "a\nb"},
        {"metadata": {"a": "b\n"}},
    ],
)
async def test_values_that_could_not_stand_in_a_header_are_refused(rig: Rig, changes: dict[str, object]) -> None:
    with pytest.raises(InvalidCommand):
        await rig.admin.create(replace(LIVE, **changes))  # type: ignore[arg-type]


async def test_unknown_key_id_is_an_error(rig: Rig) -> None:
    await rig.admin.create(LIVE)
    for action in (rig.admin.get, rig.admin.revoke):
        with pytest.raises(InvalidCommand, match="there is no key"):
            await action("nosuch")


async def test_every_key_is_listed(rig: Rig) -> None:
    made = {(await rig.admin.create(replace(LIVE, tenant=f"t{n % 3}")))[0].id for n in range(70)}
    assert {record.id async for record in rig.admin.all()} == made

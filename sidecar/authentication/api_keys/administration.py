"""What operators do with API keys."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from ipaddress import ip_network

from sidecar.authentication.api_keys import text as key_text
from sidecar.authentication.api_keys.keyring import Keyring
from sidecar.authentication.api_keys.record import KeyRecord, KeyState
from sidecar.authentication.api_keys.store import KeyStore
from sidecar.errors import InvalidCommand, SealBroken

_VISIBLE = re.compile(r"[\x21-\x7e]{1,256}\Z")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}\Z")  # RFC 6749, section 3.3
_ENVIRONMENT = re.compile(r"[a-z][a-z0-9]{0,15}\Z")
_TRIES = 5
_BATCH = 64
_LEAST_BITS = 112


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRequest:
    """What a new key is to be; times are Unix seconds. See KeyRecord for the meaning of each."""

    environment: str
    name: str = ""
    owner: str = ""
    tenant: str = ""
    plan: str = ""
    scopes: tuple[str, ...] = ()
    models: tuple[str, ...] | None = None
    addresses: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    not_before: int | None = None
    expires_at: int | None = None


class KeyAdministration:
    """Creates, lists, revokes and rotates keys. Raises InvalidCommand when asked for what can't be done."""

    def __init__(self, store: KeyStore, keyring: Keyring, clock: Callable[[], float] = time.time) -> None:
        self._store, self._keyring, self._clock = store, keyring, clock

    async def create(self, request: KeyRequest, family: str = "") -> tuple[KeyRecord, str]:
        """Make a key: (record, text). The text is not kept and can't be shown again."""
        request = _checked(request)
        key_id, text = key_text.generate(request.environment)
        record = await self._write_new(request, key_id, text, family or key_id)
        return record, text

    async def import_key(self, request: KeyRequest, text: str) -> KeyRecord:
        """Accept a key that somebody else made; weak ones (below 112 bits, NIST SP 800-63B) are refused."""
        request = _checked(request)
        if not key_text.is_foreign(text):
            raise InvalidCommand("foreign_key", "a key to import has 20 to 512 visible characters, and no comma")
        if key_text.strength(text) < _LEAST_BITS:
            raise InvalidCommand("weak_key", f"the key can't have {_LEAST_BITS} bits of entropy; make a new one")
        await self._keyring.mac(text)  # sees to it that there is a pepper
        key_id = await self._keyring.foreign_id(text)
        return await self._write_new(request, key_id, text, key_id)

    async def get(self, key_id: str) -> KeyRecord:
        """The record of a key."""
        _, record = await self._read(key_id)
        return record

    async def all(self) -> AsyncIterator[KeyRecord]:
        """Every key that can be read, in no order."""
        batch: list[str] = []
        async for key_id in self._store.ids():
            batch.append(key_id)
            if len(batch) == _BATCH:
                for record in await self._records(batch):
                    yield record
                batch = []
        for record in await self._records(batch):
            yield record

    async def last_used(self, key_ids: tuple[str, ...]) -> dict[str, int]:
        """When keys were last used (Unix seconds), as far as it is known."""
        return await self._store.last_used(key_ids)

    async def revoke(self, key_id: str) -> KeyRecord:
        """End a key now, everywhere; ending it twice changes nothing."""
        now = int(self._clock())
        return await self._update(key_id, lambda record: replace(record, revoked_at=record.revoked_at or now))

    async def rotate(self, key_id: str, overlap: float, expires_at: int | None = None) -> tuple[KeyRecord, str]:
        """Make a successor with the same rights and the same budget; the old key ends after `overlap` seconds."""
        old = await self.get(key_id)
        now = self._clock()
        if old.state(now) in {KeyState.REVOKED, KeyState.EXPIRED}:
            raise InvalidCommand("key_ended", f"key {key_id} is {old.state(now)}; create a new one")
        request = KeyRequest(
            **{name: getattr(old, name) for name in KeyRequest.__dataclass_fields__ if name != "expires_at"},
            expires_at=expires_at or _same_lifetime(old, int(now)),
        )
        record, text = await self.create(request, family=old.family)
        end = int(now + overlap)
        await self._update(
            key_id,
            lambda current: replace(
                current,
                expires_at=end if current.expires_at is None else min(end, current.expires_at),
                revoked_at=current.revoked_at or (None if overlap > 0 else int(now)),
            ),
        )
        return record, text

    async def _write_new(self, request: KeyRequest, key_id: str, text: str, family: str) -> KeyRecord:
        pepper, mac = await self._keyring.mac(text)
        record = KeyRecord(
            id=key_id,
            mac=mac,
            pepper=pepper,
            family=family,
            created_at=int(self._clock()),
            **{name: getattr(request, name) for name in KeyRequest.__dataclass_fields__},
        )
        if not await self._store.replace(key_id, await self._keyring.seal(record), None):
            raise InvalidCommand("key_exists", f"there is a key {key_id} already")
        return record

    async def _update(self, key_id: str, change: Callable[[KeyRecord], KeyRecord]) -> KeyRecord:
        for _ in range(_TRIES):
            sealed, record = await self._read(key_id)
            changed = change(record)
            if changed == record or await self._store.replace(key_id, await self._keyring.seal(changed), sealed):
                return changed
        raise InvalidCommand("key_busy", f"key {key_id} is being changed by others; try again")

    async def _read(self, key_id: str) -> tuple[bytes, KeyRecord]:
        sealed = await self._store.get(key_id)
        if sealed is None:
            raise InvalidCommand("key_unknown", f"there is no key {key_id!r}")
        return sealed, await self._keyring.open(key_id, sealed)

    async def _records(self, key_ids: list[str]) -> list[KeyRecord]:
        found = await asyncio.gather(*(self._read(key_id) for key_id in key_ids), return_exceptions=True)
        records = []
        for answer in found:
            if isinstance(answer, InvalidCommand | SealBroken):
                continue  # deleted since, or shredded
            if isinstance(answer, BaseException):
                raise answer
            records.append(answer[1])
        return records


def _same_lifetime(old: KeyRecord, now: int) -> int | None:
    return None if old.expires_at is None else now + max(1, old.expires_at - old.created_at)


def _checked(request: KeyRequest) -> KeyRequest:
    """The request with canonical networks; raises InvalidCommand when a value could not stand in a header."""
    if not _ENVIRONMENT.match(request.environment):
        raise InvalidCommand("invalid_environment", f"{request.environment!r} is no environment (a-z, 0-9)")
    for what, values in (
        ("owner", (request.owner,)),
        ("tenant", (request.tenant,)),
        ("plan", (request.plan,)),
        ("model", request.models or ()),
        ("metadata", (*request.metadata.keys(), *request.metadata.values())),
    ):
        for value in values:
            if value and not _VISIBLE.match(value):
                raise InvalidCommand(f"invalid_{what}", f"{what} {value!r} must be visible ASCII without spaces")
    for scope in request.scopes:
        if not _SCOPE.match(scope):
            raise InvalidCommand("invalid_scope", f"{scope!r} is no scope (RFC 6749, section 3.3)")
    if not request.name.isprintable() or len(request.name) > 256:
        raise InvalidCommand("invalid_name", "the name must be printable and at most 256 characters long")
    try:
        addresses = tuple(str(ip_network(address)) for address in request.addresses)
    except ValueError as error:
        raise InvalidCommand("invalid_address", str(error)) from None
    return replace(request, addresses=addresses)

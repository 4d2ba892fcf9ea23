"""Sealing records, and the peppers that keys are hashed under."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import time
from dataclasses import replace

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sidecar.authentication.api_keys import record as records
from sidecar.authentication.api_keys.record import KeyRecord
from sidecar.authentication.api_keys.store import KeyStore, Slot
from sidecar.authentication.api_keys.text import KEY_IDS, base62
from sidecar.authentication.master_keys import MasterKey, Wrapped
from sidecar.errors import ConfigurationError, SealBroken

_SETTING = "authentication.api_keys.master_key"
_DECOY = "decoy"
DECOY_ID = "0" * 12


class Keyring:
    """The unwrapped secrets of a key store, in memory only.

    A record is sealed with AES-256-GCM under its tenant's data key, bound to its key id, so that records can't be
    exchanged; without the data key neither the record nor any copy of it can be read again.
    """

    def __init__(self, store: KeyStore, master: MasterKey) -> None:
        self._store, self._master = store, master
        self._slots: dict[str, Slot] = {}
        self._peppers: dict[str, bytes] = {_DECOY: os.urandom(32)}
        self._data_keys: dict[str, AESGCM] = {_DECOY: AESGCM(os.urandom(32))}
        self.decoy = self._encrypt(_DECOY, _decoy_record())
        """A sealed record of nobody's, opened when there is no record, so that an unknown key takes as long."""

    async def load(self) -> None:
        """Read the slots and prove the master key on the peppers.

        Raises ConfigurationError when it is the wrong one, StoreUnavailable when the store does not answer.
        """
        await self.reload()
        try:
            for slot in self._slots.values():
                if slot.purpose == "pepper":
                    await self._pepper(slot.id)
        except SealBroken as error:
            raise ConfigurationError(
                self._store.name, _SETTING, error.detail, "give the master key that made the store"
            ) from error

    async def close(self) -> None:
        """Give back the connections of store and master key."""
        await self._store.close()
        await self._master.close()

    async def reload(self) -> None:
        """Read the slots anew, and forget the secrets of those that are gone."""
        self._slots = {slot.id: slot for slot in await self._store.slots()}
        for known in (self._peppers, self._data_keys):
            for slot_id in known.keys() - self._slots.keys() - {_DECOY}:
                del known[slot_id]

    def forget(self) -> None:
        """Forget the unwrapped secrets; they are unwrapped anew when they are needed, unless they are gone."""
        self._slots.clear()
        for known in (self._peppers, self._data_keys):
            for slot_id in known.keys() - {_DECOY}:
                del known[slot_id]

    async def mac(self, text: str, pepper: str | None = None) -> tuple[str, str]:
        """HMAC-SHA256 of a key's text under the pepper (the newest one by default): (slot id, hexadecimal)."""
        slot_id = pepper or await self._newest_pepper()
        return slot_id, hmac.digest(await self._pepper(slot_id), text.encode(), hashlib.sha256).hex()

    async def foreign_id(self, text: str) -> str:
        """The key id of an imported key: derived from its text under the first pepper, which always stays."""
        digest = hmac.digest(await self._pepper("pepper-1"), b"id of a foreign key|" + text.encode(), hashlib.sha256)
        return base62(int.from_bytes(digest) % KEY_IDS, 12)

    async def seal(self, record: KeyRecord) -> bytes:
        """The record as the store keeps it."""
        slot_id = await self._slot_of_tenant(record.tenant)
        await self._data_key(slot_id)
        return self._encrypt(slot_id, record)

    async def open(self, key_id: str, sealed: bytes) -> KeyRecord:
        """The record in `sealed`; raises SealBroken when it can't be or when it is another key's."""
        try:
            slot_id, _, encoded = sealed.decode("ascii").partition(":")
            blob = base64.b64decode(encoded, validate=True)
            key = await self._data_key(slot_id)
            return records.decode(key.decrypt(blob[:12], blob[12:], f"{slot_id}|{key_id}".encode()))
        except (ValueError, InvalidTag, msgspec.MsgspecError) as error:
            raise SealBroken("record_damaged", f"the record of key {key_id} is damaged") from error

    async def add_pepper(self) -> str:
        """Make a new pepper for keys to come; older ones stay for the keys that were made under them."""
        await self.reload()
        number = 1 + max((int(s.id.removeprefix("pepper-")) for s in self._of("pepper")), default=0)
        await self._add(f"pepper-{number}", "pepper", "")
        return f"pepper-{number}"

    async def rewrap(self) -> tuple[int, int]:
        """Wrap every slot under the newest master key: (rewrapped, all). Records stay as they are."""
        await self.reload()
        done = 0
        for slot in tuple(self._slots.values()):
            if not await self._master.is_current(slot.wrapped):
                secret = await self._master.unwrap(slot.wrapped, slot.context)
                wrapped = await self._master.wrap(secret, slot.context)
                await self._store.replace_slot(replace(slot, wrapped=wrapped))
                done += 1
        return done, len(self._slots)

    async def shred(self, tenant: str) -> int:
        """Destroy the data keys of a tenant: its records can't be read again. Returns how many there were."""
        await self.reload()
        doomed = [slot for slot in self._of("data") if slot.tenant == tenant]
        for slot in doomed:
            await self._store.remove_slot(slot.id)
        await self.reload()
        return len(doomed)

    def _encrypt(self, slot_id: str, record: KeyRecord) -> bytes:
        nonce = os.urandom(12)
        context = f"{slot_id}|{record.id}".encode()
        sealed = self._data_keys[slot_id].encrypt(nonce, records.encode(record), context)
        return f"{slot_id}:".encode() + base64.b64encode(nonce + sealed)

    def _of(self, purpose: str) -> list[Slot]:
        return [slot for slot in self._slots.values() if slot.purpose == purpose]

    async def _newest_pepper(self) -> str:
        peppers = self._of("pepper")
        if not peppers:
            await self._add("pepper-1", "pepper", "")
            peppers = self._of("pepper")
        return max(peppers, key=lambda slot: int(slot.id.removeprefix("pepper-"))).id

    async def _slot_of_tenant(self, tenant: str) -> str:
        mine = [slot for slot in self._of("data") if slot.tenant == tenant]
        if not mine:
            await self.reload()
            mine = [slot for slot in self._of("data") if slot.tenant == tenant]
        if not mine:
            slot_id = f"data-{secrets.token_hex(6)}"
            await self._add(slot_id, "data", tenant)
            return slot_id
        return min(mine, key=lambda slot: (slot.created_at, slot.id)).id

    async def _add(self, slot_id: str, purpose: str, tenant: str) -> None:
        # Two commands may race for the first pepper; the store keeps one, and both then read it.
        empty = Slot(id=slot_id, purpose=purpose, tenant=tenant, created_at=int(time.time()), wrapped=Wrapped("", ""))
        await self._store.add_slot(replace(empty, wrapped=await self._master.wrap(os.urandom(32), empty.context)))
        await self.reload()

    async def _pepper(self, slot_id: str) -> bytes:
        pepper = self._peppers.get(slot_id)
        if pepper is None:
            pepper = self._peppers[slot_id] = await self._unwrap(slot_id, "pepper")
        return pepper

    async def _data_key(self, slot_id: str) -> AESGCM:
        key = self._data_keys.get(slot_id)
        if key is None:
            key = self._data_keys[slot_id] = AESGCM(await self._unwrap(slot_id, "data"))
        return key

    async def _unwrap(self, slot_id: str, purpose: str) -> bytes:
        slot = self._slots.get(slot_id)
        if slot is None:
            await self.reload()  # made by another process since
            slot = self._slots.get(slot_id)
        if slot is None or slot.purpose != purpose:
            raise SealBroken("slot_unknown", f"the {purpose} key {slot_id} has been destroyed")
        secret = await self._master.unwrap(slot.wrapped, slot.context)
        if len(secret) != 32:
            raise SealBroken("seal_broken", f"slot {slot_id} does not hold a key")
        return secret


def _decoy_record() -> KeyRecord:
    return KeyRecord(
        id=DECOY_ID,
        environment="none",
        mac=secrets.token_hex(32),
        pepper=_DECOY,
        family=DECOY_ID,
        created_at=0,
        name="decoy",
        scopes=("none",),
    )

"""Verifying an API key."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import structlog

from sidecar.authentication.api_keys import text as key_text
from sidecar.authentication.api_keys.keyring import DECOY_ID, Keyring
from sidecar.authentication.api_keys.record import KeyRecord, KeyState
from sidecar.authentication.api_keys.store import KeyStore
from sidecar.authentication.background import end
from sidecar.authentication.cache import Cache
from sidecar.authentication.settings import ApiKeySettings
from sidecar.authentication.throttle import FailureThrottle
from sidecar.errors import InvalidCredential, SealBroken, StoreUnavailable, TooManyFailures
from sidecar.principal import Principal
from sidecar.request import HttpRequest

_log = structlog.get_logger()
_REFUSED_ENTRIES = 16_384
_LOOKUPS_AT_ONCE = 48  # below the connections that a Redis client holds
_STORE_PAUSE = 1.0
_REREAD_SECONDS = 300.0  # however good the news: a store may be emptied or restored without any
_USED_FLUSH_SECONDS = 30.0
_FAILURE_SECONDS = 0.003  # every wrong key is answered this long after it came, whatever was found out sooner


@dataclass(slots=True)
class _Known:
    """A verified key. `read_at` is when its record was read (time.monotonic)."""

    principal: Principal
    record: KeyRecord
    ends_at: float
    networks: tuple[IPv4Network | IPv6Network, ...]
    digest: bytes
    read_at: float


async def _until(loop: asyncio.AbstractEventLoop, when: float) -> None:
    """Wait for a time of the loop's clock. A delay would not do: uvloop rounds it to whole milliseconds, and how much
    has been done before decides which way."""
    waiter = loop.create_future()
    timer = loop.call_at(when, waiter.set_result, None)
    try:
        await waiter
    finally:
        timer.cancel()


class ApiKeys:
    """Keys that were verified before cost one keyed hash; all others cost one lookup, found or not.

    What is remembered is found by a hash of the whole text under a random key of this process. Every wrong key
    therefore takes the same way (lookup, unsealing, HMAC, constant-time comparison), whether its id is unknown, its
    secret wrong or its record revoked; and the answer waits for a moment that does not depend on how long that took.
    """

    def __init__(
        self,
        settings: ApiKeySettings,
        store: KeyStore,
        keyring: Keyring,
        throttle: FailureThrottle,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._store, self._keyring, self._throttle = settings, store, keyring, throttle
        self._clock, self._monotonic = clock, monotonic
        self._environments = frozenset(settings.environments)
        self._hash = partial(hashlib.blake2b, digest_size=16, key=os.urandom(32))
        self._known: Cache[bytes, _Known] = Cache(settings.cache_entries)
        self._digests: dict[str, bytes] = {}  # key id -> its entry in _known
        self._refused: Cache[bytes, tuple[float, str]] = Cache(_REFUSED_ENTRIES)
        self._lookups: dict[bytes, asyncio.Task[_Known]] = {}
        self._slots = asyncio.Semaphore(_LOOKUPS_AT_ONCE)
        self._changes = 0
        self._store_pause_until = float("-inf")
        self._used: dict[str, int] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Prove the master key, then follow changes in the background. Raises ConfigurationError.

        A store that does not answer is waited for in the background.
        """
        try:
            await self._keyring.load()
        except StoreUnavailable as error:
            _log.warning("key_store_unavailable", code=error.code)
        self._tasks = [
            asyncio.create_task(self._store.watch(self._changed), name="key changes"),
            asyncio.create_task(self._flush_used(), name="key use"),
        ]

    async def stop(self) -> None:
        """End the background work; the last uses are written down first."""
        await end((*self._tasks, *self._lookups.values()))
        await self._write_used()
        await self._keyring.close()

    async def authenticate(self, text: str, request: HttpRequest) -> Principal:
        """The principal that the key stands for.

        Raises InvalidCredential, TooManyFailures (nothing was looked up), or StoreUnavailable when the key has not
        been seen before and the store does not answer in time.
        """
        digest = self._hash(text.encode("latin-1", "replace")).digest()
        known = self._known.get(digest)
        if known is None or not self._is_fresh(known) or self._fault(known, request) is not None:
            loop = asyncio.get_running_loop()
            answer_at = loop.time() + _FAILURE_SECONDS
            try:
                known = await self._renewed(text, digest, known, request)
            except TooManyFailures:
                raise
            except InvalidCredential:
                await _until(loop, answer_at)
                raise
        self._used[known.record.id] = int(self._clock())
        return known.principal

    async def _renewed(self, text: str, digest: bytes, known: _Known | None, request: HttpRequest) -> _Known:
        # A key that has ended takes the long way like every other wrong one: time must not tell them apart.
        known = await self._renew(text, digest, known, request.client_ip)
        fault = self._fault(known, request)
        if fault is not None:
            raise self._wrong(fault, request.client_ip)
        return known

    def _is_fresh(self, known: _Known) -> bool:
        now = self._monotonic()
        news = now - max(known.read_at, self._store.confirmed_at)
        return news <= self._settings.revocation_bound and now - known.read_at <= _REREAD_SECONDS

    def _fault(self, known: _Known, request: HttpRequest) -> str | None:
        now, record = self._clock(), known.record
        if now >= known.ends_at or (record.not_before is not None and now < record.not_before):
            return "key_" + record.state(now, self._settings.max_age)
        if known.networks and not _within(request.client_ip, known.networks):
            return "key_address"
        return None

    async def _renew(self, text: str, digest: bytes, known: _Known | None, address: str) -> _Known:
        if known is not None and self._monotonic() < self._store_pause_until:
            return self._stale(known)
        if known is None:
            self._throttle.check(address)
            refused = self._refused.get(digest)
            if refused is not None and self._monotonic() < refused[0]:
                raise self._wrong(refused[1], address)
        parsed = key_text.parse(text)
        foreign = parsed is None and self._settings.imported and key_text.is_foreign(text)
        if parsed is None and not foreign:
            raise self._wrong("key_malformed", address)
        if parsed is not None and parsed.environment not in self._environments:
            raise self._wrong("key_environment", address)
        try:
            return await self._look_up(None if parsed is None else parsed.key_id, text, digest)
        except InvalidCredential as error:
            if known is not None:
                self._forget(known.record.id)
            self._refused.put(digest, (self._monotonic() + self._settings.refused_ttl, error.code))
            raise self._wrong(error.code, address) from None
        except StoreUnavailable:
            self._store_pause_until = self._monotonic() + _STORE_PAUSE
            if known is None:
                raise
            return self._stale(known)

    def _stale(self, known: _Known) -> _Known:
        age = self._monotonic() - max(known.read_at, self._store.confirmed_at)
        if age > self._settings.max_stale + self._settings.revocation_bound:
            raise StoreUnavailable("key_store_unavailable", "known keys are too old")
        return known

    def _wrong(self, code: str, address: str) -> InvalidCredential:
        self._throttle.count(address)
        return InvalidCredential(code)

    async def _look_up(self, key_id: str | None, text: str, digest: bytes) -> _Known:
        task = self._lookups.get(digest)
        if task is None:
            task = self._lookups[digest] = asyncio.create_task(self._read(key_id, text, digest))
            task.add_done_callback(lambda done: self._looked_up(digest, done))
        try:
            async with asyncio.timeout(self._settings.lookup_timeout):
                return await asyncio.shield(task)
        except TimeoutError:
            raise StoreUnavailable("key_store_timeout") from None

    def _looked_up(self, digest: bytes, task: asyncio.Task[_Known]) -> None:
        del self._lookups[digest]
        if not task.cancelled():
            task.exception()  # it has been seen, also when every request that waited for it has gone

    async def _read(self, known_id: str | None, text: str, digest: bytes) -> _Known:
        async with self._slots:
            changes = self._changes
            read_at = self._monotonic()
            key_id = await self._id_of(known_id, text)
            sealed = await self._store.get(key_id)
            try:
                if sealed is None:
                    record = await self._keyring.open(DECOY_ID, self._keyring.decoy)
                else:
                    record = await self._keyring.open(key_id, sealed)
                _, mac = await self._keyring.mac(text, record.pepper)
            except SealBroken as error:
                _log.error("key_record_unreadable", key_id=key_id, code=error.code)
                raise InvalidCredential("key_unreadable") from None
        if not hmac.compare_digest(mac, record.mac):
            raise InvalidCredential("key_unknown" if sealed is None else "key_secret")
        if record.environment not in self._environments:
            raise InvalidCredential("key_environment")
        state = record.state(self._clock(), self._settings.max_age)
        if state is not KeyState.ACTIVE:
            raise InvalidCredential("key_" + state)
        known = self._remember(record, digest, read_at)
        if changes != self._changes:  # news came while we read: it may have been about this key
            self._forget(key_id)
        return known

    async def _id_of(self, key_id: str | None, text: str) -> str:
        """The key's id, which only a foreign key does not carry itself."""
        if key_id is not None:
            return key_id
        try:
            return await self._keyring.foreign_id(text)
        except SealBroken:  # nothing has ever been stored
            raise InvalidCredential("key_unknown") from None

    def _remember(self, record: KeyRecord, digest: bytes, read_at: float) -> _Known:
        ends_at = record.ends_at(self._settings.max_age)
        known = _Known(
            principal=_principal(record, ends_at),
            record=record,
            ends_at=float("inf") if ends_at is None else ends_at,
            networks=tuple(ip_network(network) for network in record.addresses),
            digest=digest,
            read_at=read_at,
        )
        self._digests[record.id] = digest
        gone = self._known.put(digest, known)
        if gone is not None:
            self._digests.pop(gone.record.id, None)
        return known

    def _forget(self, key_id: str) -> None:
        digest = self._digests.pop(key_id, None)
        if digest is not None:
            self._known.discard(digest)

    def _changed(self, key_id: str | None) -> None:
        self._changes += 1
        self._refused.clear()
        if key_id is not None:
            self._forget(key_id)
            return
        self._known.clear()
        self._digests.clear()
        self._keyring.forget()

    async def _flush_used(self) -> None:
        while True:
            await asyncio.sleep(_USED_FLUSH_SECONDS)
            await self._write_used()

    async def _write_used(self) -> None:
        used, self._used = self._used, {}
        try:
            await self._store.touch(used)
        except StoreUnavailable:
            self._used = used | self._used


def _principal(record: KeyRecord, ends_at: float | None) -> Principal:
    return Principal(
        id=f"key:{record.id}",
        kind="api_key",
        subject=record.owner or record.id,
        budget=f"key:{record.family}",
        tenant=record.tenant,
        plan=record.plan,
        scopes=frozenset(record.scopes),
        models=record.models,
        key_id=record.id,
        environment=record.environment,
        expires_at=ends_at,
        metadata=record.metadata,
    )


def _within(address: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)

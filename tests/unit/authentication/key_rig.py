"""API keys over a store whose lookups are counted, with hands on the clocks."""

from __future__ import annotations

import asyncio

from sidecar.authentication import AuthenticationSettings
from sidecar.authentication.api_keys import ApiKeys, KeyAdministration, open_store
from sidecar.authentication.api_keys.file_store import FileKeyStore
from sidecar.authentication.settings import ThrottleSettings
from sidecar.authentication.throttle import FailureThrottle
from sidecar.errors import InvalidCredential, StoreUnavailable
from tests.unit.authentication.support import request


class CountingStore(FileKeyStore):
    """A store that counts lookups, and fails or dawdles when told to."""

    lookups = 0
    down = False
    delay = 0.0

    async def get(self, key_id: str) -> bytes | None:
        self.lookups += 1
        if self.down:
            raise StoreUnavailable("key_store_unavailable")
        found = await super().get(key_id)
        await asyncio.sleep(self.delay)  # the answer is under way
        return found


class Rig:
    """An ApiKeys over a counting store, with hands on its clocks."""

    def __init__(self, settings: AuthenticationSettings, failures: int = 10_000) -> None:
        assert settings.api_keys is not None
        assert settings.api_keys.file is not None
        self.settings = settings.api_keys
        self.store = CountingStore(settings.api_keys.file)
        _, keyring = open_store(settings.api_keys, None)
        self.now = 1_800_000_000.0
        self.monotonic = 100.0
        self.store.confirmed_at = 100.0
        throttle = FailureThrottle(ThrottleSettings(failures=failures))
        self.keys = ApiKeys(
            self.settings, self.store, keyring, throttle, clock=lambda: self.now, monotonic=lambda: self.monotonic
        )
        keyring._store = self.store
        self.admin = KeyAdministration(self.store, keyring, lambda: self.now)

    async def code(self, key: str, address: str = "192.0.2.1") -> str:
        try:
            await self.keys.authenticate(key, request(address=address))
        except InvalidCredential as error:
            return error.code
        return "ok"

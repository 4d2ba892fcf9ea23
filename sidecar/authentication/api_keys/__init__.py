"""API keys: their text, their records, where they are kept, and how they are verified."""

from __future__ import annotations

from sidecar.authentication.api_keys.administration import KeyAdministration, KeyRequest
from sidecar.authentication.api_keys.file_store import FileKeyStore
from sidecar.authentication.api_keys.keyring import Keyring
from sidecar.authentication.api_keys.record import KeyRecord, KeyState
from sidecar.authentication.api_keys.redis_store import RedisKeyStore
from sidecar.authentication.api_keys.store import KeyStore
from sidecar.authentication.api_keys.verifier import ApiKeys
from sidecar.authentication.change_feed import patient
from sidecar.authentication.master_keys import build_master_key
from sidecar.authentication.settings import ApiKeySettings
from sidecar.errors import ConfigurationError
from sidecar.redis_connection import RedisSettings, connect

__all__ = ["ApiKeys", "KeyAdministration", "KeyRecord", "KeyRequest", "KeyState", "KeyStore", "Keyring", "open_store"]


def open_store(settings: ApiKeySettings, redis: RedisSettings | None) -> tuple[KeyStore, Keyring]:
    """The store of the settings, and its keyring; nothing is read from Redis yet.

    Raises ConfigurationError for a missing `redis`, a damaged keyring file, and a missing or malformed master key.
    """
    store: KeyStore
    if settings.file is not None:
        store = FileKeyStore(settings.file)
    elif redis is None:
        raise ConfigurationError(
            "configuration", "authentication.api_keys.store", "needs `redis`", "add redis: {url: ...}, or use file"
        )
    else:
        store = RedisKeyStore(connect(patient(redis)), redis.prefix)
    return store, Keyring(store, build_master_key(settings.master_key))

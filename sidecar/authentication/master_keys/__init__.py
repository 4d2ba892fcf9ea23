"""Master keys: what wraps the keys that seal the key store."""

from __future__ import annotations

from typing import Protocol

from sidecar.authentication.master_keys.aws_kms import AwsKmsMasterKey
from sidecar.authentication.master_keys.local import LocalMasterKey
from sidecar.authentication.master_keys.vault import VaultMasterKey
from sidecar.authentication.master_keys.wrapped import Wrapped
from sidecar.authentication.settings import MasterKeySettings

__all__ = ["MasterKey", "Wrapped", "build_master_key"]


class MasterKey(Protocol):
    """A key that never leaves its keeper; it only wraps and unwraps 32-byte secrets.

    `context` is bound to the wrapping: unwrapping under another one fails. Raises SealBroken when the wrapping is not
    this key's or has been changed, StoreUnavailable when the keeper does not answer.
    """

    async def wrap(self, secret: bytes, context: str) -> Wrapped:
        """Wrap `secret` under the newest version of this key."""

    async def unwrap(self, wrapped: Wrapped, context: str) -> bytes:
        """The secret in `wrapped`."""

    async def is_current(self, wrapped: Wrapped) -> bool:
        """Whether `wrapped` was made by the newest version of this key."""

    async def close(self) -> None:
        """Give back connections."""


def build_master_key(settings: MasterKeySettings) -> MasterKey:
    """The master key of the settings; raises ConfigurationError."""
    if settings.env is not None:
        return LocalMasterKey.from_environment(settings.env)
    if settings.file is not None:
        return LocalMasterKey.from_file(settings.file)
    if settings.aws_kms is not None:
        return AwsKmsMasterKey(settings.aws_kms)
    assert settings.vault is not None
    return VaultMasterKey(settings.vault)

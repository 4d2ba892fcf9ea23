"""A master key from an environment variable or a file."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sidecar.authentication.master_keys.wrapped import Wrapped
from sidecar.errors import ConfigurationError, SealBroken

_SETTING = "authentication.api_keys.master_key"
_FIX = "make one with: openssl rand -base64 32"


class LocalMasterKey:
    """One or more 32-byte keys; the first wraps, all unwrap. AES-256-GCM (NIST SP 800-38D), random 96-bit nonces."""

    def __init__(self, keys: tuple[bytes, ...]) -> None:
        self._current = _reference(keys[0])
        self._keys = {_reference(key): AESGCM(key) for key in keys}

    @classmethod
    def from_environment(cls, variable: str) -> LocalMasterKey:
        """Keys from `variable`, separated by commas; raises ConfigurationError."""
        value = os.environ.get(variable, "")
        if not value.strip():
            raise ConfigurationError(f"environment variable {variable}", _SETTING, "is not set", _FIX)
        return cls(_parse(value.split(","), f"environment variable {variable}"))

    @classmethod
    def from_file(cls, path: Path) -> LocalMasterKey:
        """Keys from the file, one a line; raises ConfigurationError."""
        try:
            lines = path.read_text(encoding="ascii").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(str(path), _SETTING, f"can't be read: {_reason(error)}", _FIX) from error
        return cls(_parse([line for line in lines if line.strip()], str(path)))

    async def wrap(self, secret: bytes, context: str) -> Wrapped:
        """See MasterKey."""
        nonce = os.urandom(12)
        sealed = nonce + self._keys[self._current].encrypt(nonce, secret, context.encode())
        return Wrapped(self._current, base64.b64encode(sealed).decode())

    async def unwrap(self, wrapped: Wrapped, context: str) -> bytes:
        """See MasterKey."""
        key = self._keys.get(wrapped.reference)
        if key is None:
            have = ", ".join(self._keys)
            raise SealBroken("master_key_unknown", f"sealed under master key {wrapped.reference}, but have {have}")
        try:
            sealed = base64.b64decode(wrapped.blob, validate=True)
            return key.decrypt(sealed[:12], sealed[12:], context.encode())
        except (binascii.Error, InvalidTag, ValueError) as error:
            raise SealBroken("seal_broken", f"a key wrapped under {wrapped.reference} is damaged") from error

    async def is_current(self, wrapped: Wrapped) -> bool:
        """See MasterKey."""
        return wrapped.reference == self._current

    async def close(self) -> None:
        """See MasterKey."""


def _reference(key: bytes) -> str:
    # A fingerprint tells which key is missing; 32 bits of a hash of 256 random bits give nothing away.
    return "local-" + hashlib.sha256(b"portcullis master key" + key).hexdigest()[:8]


def _parse(lines: list[str], source: str) -> tuple[bytes, ...]:
    keys = []
    for number, line in enumerate(lines, 1):
        try:
            key = base64.b64decode(line.strip(), validate=True)
        except (binascii.Error, ValueError):
            raise ConfigurationError(source, _SETTING, f"key {number} is not base64", _FIX) from None
        if len(key) != 32:
            raise ConfigurationError(source, _SETTING, f"key {number} has {len(key)} bytes instead of 32", _FIX)
        keys.append(key)
    if not keys:
        raise ConfigurationError(source, _SETTING, "holds no key", _FIX)
    return tuple(keys)


def _reason(error: Exception) -> str:
    return (error.strerror or "unreadable") if isinstance(error, OSError) else "not ASCII"

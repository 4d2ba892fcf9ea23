"""A master key in HashiCorp Vault's transit engine."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re

from sidecar.authentication.http_client import HttpClient, json_object
from sidecar.authentication.master_keys.wrapped import Wrapped
from sidecar.authentication.settings import VaultSettings
from sidecar.errors import ConfigurationError, SealBroken, StoreUnavailable

_SETTING = "authentication.api_keys.master_key.vault"
_LARGEST = 64 * 1024
_BLOB = re.compile(r"vault:v([1-9][0-9]{0,8}):[A-Za-z0-9+/]+=*\Z")


class VaultMasterKey:
    """Transit's encrypt and decrypt; the context is the associated data. The key never leaves Vault."""

    def __init__(self, settings: VaultSettings) -> None:
        self._settings = settings
        self._http = HttpClient()
        self._reference = f"vault:{settings.mount}/{settings.key}"
        self._token()  # a missing one is found at start

    async def wrap(self, secret: bytes, context: str) -> Wrapped:
        """See MasterKey."""
        answer = await self._post("encrypt", plaintext=_encode(secret), associated_data=_encode(context.encode()))
        blob = answer.get("ciphertext")
        if not isinstance(blob, str) or not _BLOB.match(blob):
            raise StoreUnavailable("master_key_unavailable", "Vault's answer is malformed")
        return Wrapped(self._reference, blob)

    async def unwrap(self, wrapped: Wrapped, context: str) -> bytes:
        """See MasterKey."""
        if wrapped.reference != self._reference or not _BLOB.match(wrapped.blob):
            raise SealBroken(
                "master_key_unknown", f"sealed under master key {wrapped.reference}, not {self._reference}"
            )
        try:
            answer = await self._post("decrypt", ciphertext=wrapped.blob, associated_data=_encode(context.encode()))
        except StoreUnavailable as error:
            if error.detail == "400":  # what transit answers when it can't decrypt
                raise SealBroken("seal_broken", f"Vault can't unwrap under {self._reference}") from None
            raise
        try:
            return base64.b64decode(str(answer.get("plaintext")), validate=True)
        except (binascii.Error, ValueError):
            raise StoreUnavailable("master_key_unavailable", "Vault's answer is malformed") from None

    async def is_current(self, wrapped: Wrapped) -> bool:
        """See MasterKey."""
        match = _BLOB.match(wrapped.blob)
        data = _data(await self._http.get(self._url("keys"), _LARGEST, self._headers()))
        return (
            wrapped.reference == self._reference and match is not None and data.get("latest_version") == int(match[1])
        )

    async def close(self) -> None:
        """See MasterKey."""
        await self._http.close()

    async def _post(self, action: str, **members: str) -> dict[str, object]:
        body = json.dumps(members).encode()
        return _data(await self._http.post(self._url(action), _LARGEST, self._headers(), body))

    def _url(self, action: str) -> str:
        return f"{self._settings.address.rstrip('/')}/v1/{self._settings.mount}/{action}/{self._settings.key}"

    def _headers(self) -> dict[str, str]:
        headers = {"x-vault-token": self._token(), "x-vault-request": "true", "content-type": "application/json"}
        if self._settings.namespace is not None:
            headers["x-vault-namespace"] = self._settings.namespace
        return headers

    def _token(self) -> str:
        if self._settings.token_env is not None:
            source, token = f"environment variable {self._settings.token_env}", os.environ.get(self._settings.token_env)
        else:
            assert self._settings.token_file is not None
            source = str(self._settings.token_file)
            try:
                token = self._settings.token_file.read_text(encoding="ascii")
            except (OSError, UnicodeDecodeError):
                token = None
        if token is None or not token.strip() or not token.strip().isprintable():
            raise ConfigurationError(source, _SETTING, "holds no Vault token")
        return token.strip()


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _data(answer: bytes) -> dict[str, object]:
    data = json_object(answer).get("data")
    if not isinstance(data, dict):
        raise StoreUnavailable("master_key_unavailable", "Vault's answer is malformed")
    return data

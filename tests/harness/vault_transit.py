"""The part of Vault's transit engine that a master key needs, over HTTP on loopback."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class VaultTransit:
    """One aes256-gcm96 key with versions, as Vault's API documentation describes it."""

    def __init__(self) -> None:
        self.token = "test-vault-token"
        self.versions = [AESGCM(os.urandom(32))]
        self.url = ""

    def rotate(self) -> None:
        """Make a new version; older ones go on decrypting."""
        self.versions.append(AESGCM(os.urandom(32)))

    async def answer(self, request: web.Request) -> web.Response:
        """One answer."""
        if request.headers.get("x-vault-token") != self.token:
            return web.json_response({"errors": ["permission denied"]}, status=403)
        action = request.match_info["action"]
        if action == "keys":
            return web.json_response({"data": {"latest_version": len(self.versions)}})
        body = await request.json()
        try:
            return web.json_response({"data": self._encrypt(body) if action == "encrypt" else self._decrypt(body)})
        except (InvalidTag, ValueError, IndexError):
            return web.json_response({"errors": ["cipher: message authentication failed"]}, status=400)

    def _encrypt(self, body: dict[str, str]) -> dict[str, Any]:
        nonce = os.urandom(12)
        plain, context = (base64.b64decode(body[name]) for name in ("plaintext", "associated_data"))
        sealed = base64.b64encode(nonce + self.versions[-1].encrypt(nonce, plain, context)).decode()
        return {"ciphertext": f"vault:v{len(self.versions)}:{sealed}"}

    def _decrypt(self, body: dict[str, str]) -> dict[str, Any]:
        _, version, encoded = body["ciphertext"].split(":")
        sealed = base64.b64decode(encoded, validate=True)
        key = self.versions[int(version[1:]) - 1]
        plain = key.decrypt(sealed[:12], sealed[12:], base64.b64decode(body["associated_data"]))
        return {"plaintext": base64.b64encode(plain).decode()}


@asynccontextmanager
async def vault_transit() -> AsyncIterator[VaultTransit]:
    """A running server with the key `portcullis` at the mount `transit`."""
    vault = VaultTransit()
    app = web.Application()
    app.router.add_route("*", "/v1/transit/{action}/portcullis", vault.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    vault.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield vault
    finally:
        await runner.cleanup()

"""Asking other servers for keys and answers, with a short arm."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from sidecar.errors import StoreUnavailable

if TYPE_CHECKING:
    import aiohttp

_TIMEOUT = 2.0
_ACCEPT: Mapping[str, str] = MappingProxyType({"accept": "application/json"})


class HttpClient:
    """GET and POST with one deadline for the whole exchange and a cap on the answer; redirects are not followed.

    Neither proxies nor cookies of the environment play a part. Raises StoreUnavailable for everything but a whole
    answer with status 200.
    """

    def __init__(self, timeout: float = _TIMEOUT) -> None:
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def get(self, url: str, limit: int, headers: Mapping[str, str] = _ACCEPT) -> bytes:
        """The body of `url`, at most `limit` bytes."""
        return await self._fetch("GET", url, limit, headers, None)

    async def post(self, url: str, limit: int, headers: Mapping[str, str], body: bytes) -> bytes:
        """The answer to a POST, at most `limit` bytes."""
        return await self._fetch("POST", url, limit, headers, body)

    async def close(self) -> None:
        """Give back connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Loaded at first use: where no other server is asked, 6 MB stay free. It takes a tenth of a second, hence a
            # thread.
            library = await asyncio.to_thread(import_module, "aiohttp")
            if self._session is None:
                self._session = library.ClientSession(cookie_jar=library.DummyCookieJar(), auto_decompress=False)
        return self._session

    async def _fetch(self, method: str, url: str, limit: int, headers: Mapping[str, str], body: bytes | None) -> bytes:
        session = await self._open()
        from aiohttp import ClientError  # noqa: PLC0415 - `_open` has loaded it

        try:
            async with (
                asyncio.timeout(self._timeout),
                session.request(method, url, headers=headers, data=body, allow_redirects=False) as answer,
            ):
                if answer.status != 200:
                    raise StoreUnavailable("remote_status", str(answer.status))
                if answer.headers.get("content-encoding", "identity") != "identity":
                    raise StoreUnavailable("remote_encoding")
                content = bytearray()
                async for chunk in answer.content.iter_any():
                    content += chunk
                    if len(content) > limit:
                        raise StoreUnavailable("remote_too_large")
                return bytes(content)
        except (ClientError, OSError, TimeoutError, ValueError) as error:
            raise StoreUnavailable("remote_unavailable", type(error).__name__) from None


def json_object(data: bytes) -> dict[str, object]:
    """The JSON object in `data`; raises StoreUnavailable(`remote_malformed`) when it is none."""
    try:
        value = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        raise StoreUnavailable("remote_malformed") from None
    if not isinstance(value, dict):
        raise StoreUnavailable("remote_malformed")
    return value

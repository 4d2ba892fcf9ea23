"""Where an issuer's keys come from, and when they are read anew."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from sidecar.authentication.background import end
from sidecar.authentication.http_client import HttpClient, json_object
from sidecar.authentication.jose.jwks import LARGEST, KeySet, UnusableKeys, read_jwks
from sidecar.authentication.settings import IssuerSettings, is_safe_url
from sidecar.errors import ConfigurationError, StoreUnavailable

_log = structlog.get_logger()
_FIRST_WAIT = 2.5
_RETRY = (1.0, 2.0, 5.0, 15.0, 30.0)
_FILE_POLL = 1.0
_METADATA_LARGEST = 64 * 1024


class KeySource:
    """The keys of one issuer, read in the background only.

    A read that fails or brings no usable key leaves the known ones in force for `max_stale`. An unknown kid asks for
    another read, which happens at most once in `refresh_cooldown` however many ask.
    """

    def __init__(
        self, settings: IssuerSettings, http: HttpClient, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings, self._http, self._monotonic = settings, http, monotonic
        self._keys: KeySet | None = None
        self._usable_until = float("-inf")
        self._asked_at = float("-inf")
        self._wanted = asyncio.Event()
        self._read_once = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        if settings.jwks_file is not None:
            self._take(self._read_file(settings.jwks_file), float("inf"))

    @property
    def keys(self) -> KeySet | None:
        """The keys in force; None while there are none."""
        return self._keys if self._monotonic() < self._usable_until else None

    def want(self) -> None:
        """Ask for another read, because a JWT named a kid that is not known."""
        self._wanted.set()

    async def start(self) -> None:
        """Begin to read; waits a moment for the first answer, and goes on without it."""
        follow = self._follow_url if self._settings.jwks_file is None else self._follow_file
        self._task = asyncio.create_task(follow(), name="issuer keys")
        if self._keys is None:
            try:
                async with asyncio.timeout(_FIRST_WAIT):
                    await self._read_once.wait()
            except TimeoutError:
                _log.warning("issuer_keys_late", issuer=self._settings.issuer)

    async def stop(self) -> None:
        """End the background work."""
        if self._task is not None:
            await end([self._task])

    async def _follow_url(self) -> None:
        failures = 0
        while True:
            self._asked_at = self._monotonic()
            self._wanted.clear()
            try:
                keys = read_jwks(await self._fetch(), self._settings.algorithms)
            except (UnusableKeys, StoreUnavailable) as error:
                _log.warning("issuer_keys_unavailable", issuer=self._settings.issuer, code=error.code)
                pause = _RETRY[min(failures, len(_RETRY) - 1)]
                failures += 1
            else:
                self._take(keys, self._settings.refresh_interval * 1.1 + self._settings.max_stale)
                pause, failures = self._settings.refresh_interval, 0
            self._read_once.set()
            await self._wait(pause * random.uniform(0.9, 1.1))  # noqa: S311 - spreads replicas, guards nothing

    async def _wait(self, pause: float) -> None:
        try:
            async with asyncio.timeout(pause):
                await self._wanted.wait()
                await asyncio.sleep(self._asked_at + self._settings.refresh_cooldown - self._monotonic())
        except TimeoutError:
            return

    async def _fetch(self) -> bytes:
        url = self._settings.jwks_uri or await self._discover()
        return await self._http.get(url, LARGEST)

    async def _discover(self) -> str:
        """OpenID Connect Discovery 1.0, then RFC 8414: metadata whose `issuer` is exactly ours."""
        issuer = self._settings.issuer.rstrip("/")
        scheme, _, rest = issuer.partition("://")
        host, slash, path = rest.partition("/")
        places = (
            f"{issuer}/.well-known/openid-configuration",
            f"{scheme}://{host}/.well-known/oauth-authorization-server{slash}{path}",
        )
        last = StoreUnavailable("discovery_failed")
        for place in places:
            try:
                metadata = json_object(await self._http.get(place, _METADATA_LARGEST))
            except StoreUnavailable as error:
                last = error
                continue
            uri = metadata.get("jwks_uri")
            if metadata.get("issuer") != self._settings.issuer:
                raise StoreUnavailable("discovery_issuer")
            if not isinstance(uri, str) or not is_safe_url(uri):
                raise StoreUnavailable("discovery_jwks_uri")
            return uri
        raise last

    async def _follow_file(self) -> None:
        path = self._settings.jwks_file
        assert path is not None
        stamp = await asyncio.to_thread(_stamp, path)
        while True:
            await asyncio.sleep(_FILE_POLL)
            newer = await asyncio.to_thread(_stamp, path)
            if newer != stamp:
                stamp = newer
                try:
                    self._take(await asyncio.to_thread(self._read_file, path), float("inf"))
                except ConfigurationError as error:
                    _log.error("issuer_keys_damaged", issuer=self._settings.issuer, problem=error.problem)

    def _read_file(self, path: Path) -> KeySet:
        where = f"authentication.jwt[{self._settings.issuer}].jwks_file"
        try:
            return read_jwks(path.read_bytes(), self._settings.algorithms)
        except OSError as error:
            raise ConfigurationError(str(path), where, f"can't be read: {error.strerror}") from None
        except UnusableKeys as error:
            raise ConfigurationError(str(path), where, f"is of no use: {error.code}") from None

    def _take(self, keys: KeySet, usable: float) -> None:
        if keys.refused:
            _log.warning("issuer_keys_refused", issuer=self._settings.issuer, count=keys.refused)
        self._keys, self._usable_until = keys, self._monotonic() + usable


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns

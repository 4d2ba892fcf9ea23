"""Opaque bearer tokens: asking the authorization server about them (RFC 7662)."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote_plus, urlencode

from sidecar.authentication.background import end
from sidecar.authentication.cache import Cache
from sidecar.authentication.http_client import HttpClient, json_object
from sidecar.authentication.jose.claims import ClaimsReader, Confirmation, Validity, confirmation_of
from sidecar.authentication.settings import IntrospectionSettings
from sidecar.authentication.throttle import FailureThrottle
from sidecar.errors import ConfigurationError, InvalidCredential, StoreUnavailable
from sidecar.principal import Principal
from sidecar.request import HttpRequest

_LONGEST = 2048
_LARGEST_ANSWER = 64 * 1024
_REFUSED_ENTRIES = 16_384
_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class _Known:
    principal: Principal
    validity: Validity
    confirmation: Confirmation | None
    asked_at: float


class Introspection:
    """Asks once for many callers, and remembers good and bad answers for a while."""

    def __init__(
        self,
        settings: IntrospectionSettings,
        throttle: FailureThrottle,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._throttle = settings, throttle
        self._clock, self._monotonic = clock, monotonic
        self._claims = ClaimsReader(settings, "opaque")
        self._http = HttpClient(settings.timeout)
        # RFC 6749, section 2.3.1: form-encoded before they are joined.
        pair = f"{quote_plus(settings.client_id)}:{quote_plus(_secret(settings))}"
        self._headers = {
            "authorization": "Basic " + b64encode(pair.encode()).decode(),
            "content-type": "application/x-www-form-urlencoded",
            "accept": "application/json",
        }
        self._hash = partial(hashlib.blake2b, digest_size=16, key=os.urandom(32))
        self._known: Cache[bytes, _Known] = Cache(settings.cache_entries)
        self._refused: Cache[bytes, tuple[float, str]] = Cache(_REFUSED_ENTRIES)
        self._questions: dict[bytes, asyncio.Task[_Known]] = {}
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._paused_until = float("-inf")

    async def stop(self) -> None:
        """Give back connections."""
        await end(self._questions.values())
        await self._http.close()

    async def authenticate(self, value: str, request: HttpRequest) -> tuple[Principal, Confirmation | None]:
        """The principal that the token stands for, and the proof that it asks for besides.

        Raises InvalidCredential, TooManyFailures, or StoreUnavailable when the server does not answer.
        """
        if len(value) > _LONGEST:
            raise InvalidCredential("opaque_too_long")
        digest = self._hash(value.encode("ascii")).digest()
        known = self._known.get(digest)
        if known is None or self._monotonic() - known.asked_at > self._settings.active_ttl:
            known = await self._renew(value, digest, known, request)
        if not known.validity.not_before <= self._clock() < known.validity.not_after:
            self._known.discard(digest)
            raise InvalidCredential("opaque_expired")
        return known.principal, known.confirmation

    async def _renew(self, value: str, digest: bytes, known: _Known | None, request: HttpRequest) -> _Known:
        refused = self._refused.get(digest)
        if refused is not None and self._monotonic() < refused[0]:
            raise InvalidCredential(refused[1])
        self._throttle.check(request.client_ip)
        try:
            return await self._ask_once(value, digest)
        except InvalidCredential as error:
            self._known.discard(digest)
            self._refused.put(digest, (self._monotonic() + self._settings.refused_ttl, error.code))
            self._throttle.count(request.client_ip)
            raise
        except StoreUnavailable:
            if known is None or self._monotonic() - known.asked_at > (
                self._settings.active_ttl + self._settings.max_stale
            ):
                raise
            return known

    async def _ask_once(self, value: str, digest: bytes) -> _Known:
        if self._monotonic() < self._paused_until:
            raise StoreUnavailable("introspection_unavailable")
        task = self._questions.get(digest)
        if task is None:
            task = self._questions[digest] = asyncio.create_task(self._ask(value, digest))
            task.add_done_callback(lambda done: self._asked(digest, done))
        try:
            async with asyncio.timeout(self._settings.timeout):
                return await asyncio.shield(task)
        except TimeoutError:
            raise StoreUnavailable("introspection_timeout") from None

    def _asked(self, digest: bytes, task: asyncio.Task[_Known]) -> None:
        del self._questions[digest]
        if not task.cancelled() and isinstance(task.exception(), StoreUnavailable):
            self._paused_until = self._monotonic() + _PAUSE

    async def _ask(self, value: str, digest: bytes) -> _Known:
        body = urlencode({"token": value, "token_type_hint": "access_token"}).encode()
        async with self._slots:
            asked_at = self._monotonic()
            answer = await self._http.post(self._settings.endpoint, _LARGEST_ANSWER, self._headers, body)
        known = self._read(json_object(answer), asked_at)
        self._known.put(digest, known)
        return known

    def _read(self, claims: dict[str, Any], asked_at: float) -> _Known:
        if claims.get("active") is not True:
            raise InvalidCredential("opaque_inactive")
        # The server need not repeat who it is, nor say when the token ends: we ask again soon.
        soon = int(self._clock() + self._settings.active_ttl)
        complete = {"iss": self._settings.issuer, "exp": soon, **claims}
        complete.pop("typ", None)
        principal, validity = self._claims.read(complete, self._clock())
        return _Known(principal, validity, confirmation_of(claims), asked_at)


def _secret(settings: IntrospectionSettings) -> str:
    where = "authentication.introspection"
    if settings.client_secret_env is not None:
        secret = os.environ.get(settings.client_secret_env, "").strip()
        if not secret:
            raise ConfigurationError(f"environment variable {settings.client_secret_env}", where, "is not set")
        return secret
    assert settings.client_secret_file is not None
    try:
        return settings.client_secret_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(str(settings.client_secret_file), where, "can't be read") from None

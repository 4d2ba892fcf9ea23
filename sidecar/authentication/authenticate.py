"""Who is calling: one credential a request, and the verifier of its kind."""

from __future__ import annotations

from sidecar.authentication.api_keys import ApiKeys, open_store
from sidecar.authentication.credentials import CredentialReader, Presented
from sidecar.authentication.http_client import HttpClient
from sidecar.authentication.jose.front_door import looks_like_jwt
from sidecar.authentication.jose.verifier import Jwts
from sidecar.authentication.settings import AuthenticationSettings
from sidecar.authentication.throttle import FailureThrottle
from sidecar.errors import InvalidCredential
from sidecar.metrics import Metrics
from sidecar.principal import Principal
from sidecar.redis_connection import RedisSettings
from sidecar.request import HttpRequest


class Authentication:
    """Reads the credential and hands it to its verifier; counts every outcome by kind and code."""

    def __init__(
        self, reader: CredentialReader, api_keys: ApiKeys | None, jwts: Jwts | None, http: HttpClient, metrics: Metrics
    ) -> None:
        self._reader, self._api_keys, self._jwts, self._http = reader, api_keys, jwts, http
        self._outcomes = metrics.authentications
        self.credential_headers = reader.headers

    async def start(self) -> None:
        """Load keys and follow their changes. Raises ConfigurationError when the master key is the wrong one."""
        if self._api_keys is not None:
            await self._api_keys.start()
        if self._jwts is not None:
            await self._jwts.start()

    async def stop(self) -> None:
        """End the background work and give back connections."""
        if self._jwts is not None:
            await self._jwts.stop()
        if self._api_keys is not None:
            await self._api_keys.stop()
        await self._http.close()

    async def authenticate(self, request: HttpRequest) -> Principal | None:
        """The caller, or None when the request carries no credential at all.

        Raises InvalidCredential (TooManyFailures when nothing was even looked up), InvalidRequest for a doubled
        header, StoreUnavailable when a credential that is not known yet can't be looked up.
        """
        try:
            presented = self._reader.read(request)
        except InvalidCredential as error:
            self._outcomes.add(1, "none", error.code)
            raise
        if presented is None:
            return None
        kind = "jwt" if looks_like_jwt(presented.value) else "api_key"
        try:
            principal = await self._verify(kind, presented, request)
        except InvalidCredential as error:
            self._outcomes.add(1, kind, error.code)
            raise
        self._outcomes.add(1, kind, "ok")
        return principal

    async def _verify(self, kind: str, presented: Presented, request: HttpRequest) -> Principal:
        if kind == "jwt":
            if self._jwts is None or presented.scheme == "key":
                raise InvalidCredential("jwt_not_accepted")
            return self._jwts.authenticate(presented.value, request)
        if self._api_keys is None or presented.scheme == "dpop":
            raise InvalidCredential("api_key_not_accepted")
        return await self._api_keys.authenticate(presented.value, request)


def build(settings: AuthenticationSettings, redis: RedisSettings | None, metrics: Metrics) -> Authentication:
    """Authentication as configured; raises ConfigurationError."""
    throttle = FailureThrottle(settings.failed_credentials)
    http = HttpClient()
    api_keys = jwts = None
    if settings.api_keys is not None:
        api_keys = ApiKeys(settings.api_keys, *open_store(settings.api_keys, redis), throttle)
    if settings.jwt:
        jwts = Jwts(settings.jwt, settings.jwt_cache_entries, throttle, http)
    reader = CredentialReader(settings.api_keys.headers if settings.api_keys is not None else ())
    return Authentication(reader, api_keys, jwts, http, metrics)

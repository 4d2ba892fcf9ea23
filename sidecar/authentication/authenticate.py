"""Who is calling: one credential a request, and the verifier of its kind."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.authentication.api_keys import ApiKeys, open_store
from sidecar.authentication.api_keys.text import PREFIX
from sidecar.authentication.certificate import Certificates, Workloads
from sidecar.authentication.change_feed import patient
from sidecar.authentication.credentials import CredentialReader, Presented
from sidecar.authentication.dpop import DpopProofs, LocalReplays, RedisReplays
from sidecar.authentication.http_client import HttpClient
from sidecar.authentication.introspection import Introspection
from sidecar.authentication.jose.claims import Confirmation
from sidecar.authentication.jose.front_door import looks_like_jwt
from sidecar.authentication.jose.verifier import Jwts
from sidecar.authentication.revoked_jwts import RevokedJwts
from sidecar.authentication.settings import AuthenticationSettings
from sidecar.authentication.throttle import FailureThrottle
from sidecar.errors import InvalidCredential
from sidecar.metrics import Metrics
from sidecar.principal import Principal
from sidecar.redis_connection import RedisSettings, connect
from sidecar.request import HttpRequest


@dataclass(frozen=True, slots=True)
class Verifiers:
    """One verifier a kind of credential; None where the kind is not configured."""

    api_keys: ApiKeys | None
    jwts: Jwts | None
    introspection: Introspection | None
    workloads: Workloads
    certificates: Certificates
    dpop: DpopProofs
    revoked: RevokedJwts


class Authentication:
    """Reads the credential and hands it to its verifier; counts every outcome by kind and code."""

    def __init__(self, reader: CredentialReader, verifiers: Verifiers, http: HttpClient, metrics: Metrics) -> None:
        self._reader, self._verifiers, self._http = reader, verifiers, http
        self._outcomes = metrics.authentications
        self.credential_headers = (*reader.headers, "dpop")

    async def start(self) -> None:
        """Load keys and follow their changes. Raises ConfigurationError when the master key is the wrong one."""
        if self._verifiers.api_keys is not None:
            await self._verifiers.api_keys.start()
        if self._verifiers.jwts is not None:
            await self._verifiers.jwts.start()
        await self._verifiers.revoked.start()

    async def stop(self) -> None:
        """End the background work and give back connections."""
        for part in (self._verifiers.jwts, self._verifiers.introspection, self._verifiers.api_keys):
            if part is not None:
                await part.stop()
        await self._verifiers.revoked.stop()
        await self._http.close()

    async def authenticate(self, request: HttpRequest) -> Principal | None:
        """The caller, or None when the request carries no credential at all.

        Raises InvalidCredential (TooManyFailures when nothing was even looked up), InvalidRequest for a doubled
        header, StoreUnavailable when a credential that is not known yet can't be looked up.
        """
        kind = "none"
        try:
            presented = self._reader.read(request)
            kind = self._kind(presented)
            principal = await self._verify(kind, presented, request)
        except InvalidCredential as error:
            self._outcomes.add(1, kind, error.code)
            raise
        if principal is not None:
            self._outcomes.add(1, kind, "ok")
        return principal

    def _kind(self, presented: Presented | None) -> str:
        if presented is None:
            return "workload"
        if presented.scheme == "key" or presented.value.startswith(PREFIX):
            return "api_key"
        if looks_like_jwt(presented.value):
            return "jwt"
        return "api_key" if self._verifiers.introspection is None else "opaque"

    async def _verify(self, kind: str, presented: Presented | None, request: HttpRequest) -> Principal | None:
        if presented is None:
            return self._verifiers.workloads.authenticate(request)
        if kind == "api_key":
            if self._verifiers.api_keys is None or presented.scheme == "dpop":
                raise InvalidCredential("api_key_not_accepted")
            return await self._verifiers.api_keys.authenticate(presented.value, request)
        if kind == "jwt":
            if self._verifiers.jwts is None:
                raise InvalidCredential("jwt_not_accepted")
            principal, confirmation = self._verifiers.jwts.authenticate(presented.value, request)
        else:
            assert self._verifiers.introspection is not None
            principal, confirmation = await self._verifiers.introspection.authenticate(presented.value, request)
        if confirmation is not None or presented.scheme == "dpop":
            await self._prove(confirmation, presented, request)
        return principal

    async def _prove(self, confirmation: Confirmation | None, presented: Presented, request: HttpRequest) -> None:
        if (presented.scheme == "dpop") != (confirmation is not None and confirmation.key != ""):
            raise InvalidCredential("dpop_scheme")  # RFC 9449, section 7.1: a bound token is no bearer token
        assert confirmation is not None
        if confirmation.key:
            await self._verifiers.dpop.check(confirmation.key, presented.value, request)
        else:
            self._verifiers.certificates.check_binding(confirmation.certificate, request)


def build(settings: AuthenticationSettings, redis: RedisSettings | None, metrics: Metrics) -> Authentication:
    """Authentication as configured; raises ConfigurationError."""
    throttle = FailureThrottle(settings.failed_credentials)
    http = HttpClient()
    certificates = Certificates()
    wanted = settings.jwt or settings.introspection
    client, prefix = (connect(patient(redis)), redis.prefix) if redis is not None and wanted else (None, "")
    revoked = RevokedJwts(client, prefix)
    verifiers = Verifiers(
        api_keys=(
            ApiKeys(settings.api_keys, *open_store(settings.api_keys, redis), throttle) if settings.api_keys else None
        ),
        jwts=Jwts(settings.jwt, settings.jwt_cache_entries, throttle, http, revoked) if settings.jwt else None,
        introspection=Introspection(settings.introspection, throttle) if settings.introspection else None,
        workloads=Workloads(settings.workloads, certificates),
        certificates=certificates,
        dpop=DpopProofs(settings.dpop_window, RedisReplays(client, prefix) if client is not None else LocalReplays()),
        revoked=revoked,
    )
    reader = CredentialReader(settings.api_keys.headers if settings.api_keys is not None else ())
    return Authentication(reader, verifiers, http, metrics)

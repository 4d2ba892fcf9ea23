"""Settings of everything that proves who is calling."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from sidecar.settings import ByteSize, Duration, LocalPath, Settings

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_VISIBLE = re.compile(r"[\x21-\x7e]+\Z")
_HEADER = re.compile(r"[a-z0-9][a-z0-9-]{0,63}\Z")


def _safe_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.username or parts.password or parts.fragment:
        raise ValueError("must have neither user, password nor fragment")
    if parts.scheme == "https" and parts.hostname:
        return value
    if parts.scheme == "http" and parts.hostname in _LOOPBACK:
        return value
    raise ValueError("must be an https:// URL (http:// only to 127.0.0.1)")


def is_safe_url(value: str) -> bool:
    """Whether the URL may be asked for keys: https, or http to this machine."""
    try:
        _safe_url(value)
    except ValueError:
        return False
    return True


def _visible(value: str) -> str:
    if not _VISIBLE.match(value) or "|" in value:
        raise ValueError("must be visible ASCII without '|'")
    return value


def _header(value: str) -> str:
    if not _HEADER.match(value) or value == "authorization":
        raise ValueError("must be a lower-case header name other than authorization")
    return value


SafeUrl = Annotated[str, AfterValidator(_safe_url)]
Visible = Annotated[str, AfterValidator(_visible)]
HeaderName = Annotated[str, AfterValidator(_header)]
Environment = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,15}$")]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class AwsKmsSettings(Settings):
    """A symmetric key in AWS KMS; credentials come from the environment as usual there. Needs the extra `kms`."""

    key_id: str = Field(min_length=1, description="key id, ARN or alias; must allow Encrypt and Decrypt")
    region: str | None = Field(default=None, description="by default that of the environment")
    endpoint: SafeUrl | None = Field(default=None, description="another endpoint, such as that of a VPC")


class VaultSettings(Settings):
    """A key of HashiCorp Vault's transit engine (aes256-gcm96)."""

    address: SafeUrl = Field(description="where Vault is, such as https://vault.example.com:8200")
    key: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,128}$", description="name of the transit key")
    mount: str = Field(default="transit", pattern=r"^[A-Za-z0-9_./-]{1,128}$", description="where transit is mounted")
    namespace: str | None = Field(default=None, description="Vault namespace")
    token_env: str | None = Field(default=None, description="environment variable with a Vault token")
    token_file: LocalPath | None = Field(
        default=None, description="file with a Vault token, read anew each time, as Vault's agent renews it"
    )

    @model_validator(mode="after")
    def _one_token(self) -> VaultSettings:
        if (self.token_env is None) == (self.token_file is None):
            raise ValueError("name exactly one of token_env, token_file")
        return self


class MasterKeySettings(Settings):
    """The key that wraps every other key of the key store. Exactly one source."""

    env: str | None = Field(default=None, description="environment variable that holds the key, base64, 32 bytes")
    file: LocalPath | None = Field(default=None, description="file of keys, base64, one a line; the first one wraps")
    aws_kms: AwsKmsSettings | None = Field(default=None, description="a key in AWS KMS")
    vault: VaultSettings | None = Field(default=None, description="a transit key in HashiCorp Vault")

    @model_validator(mode="after")
    def _one_source(self) -> MasterKeySettings:
        if sum(getattr(self, name) is not None for name in type(self).model_fields) != 1:
            raise ValueError(f"name exactly one of {', '.join(type(self).model_fields)}")
        return self


class ApiKeySettings(Settings):
    """Where API keys are kept, and which of them this gateway takes."""

    store: Literal["redis"] | None = Field(default=None, description="keep keys in Redis (needs `redis`)")
    file: LocalPath | None = Field(default=None, description="keep keys in this YAML keyring instead")
    imported: bool = Field(default=False, description="take keys of foreign form too, once they have been imported")
    master_key: MasterKeySettings = Field(
        default=MasterKeySettings(env="PORTCULLIS_MASTER_KEY"), description="key that seals the store"
    )
    environments: tuple[Environment, ...] = Field(
        default=("live",), min_length=1, description="the <env> part that keys must have; the first is for new keys"
    )
    headers: tuple[HeaderName, ...] = Field(
        default=("x-api-key", "api-key", "x-goog-api-key"),
        description="headers that carry a key, besides Authorization: Bearer",
    )
    max_age: Duration | None = Field(default=None, gt=0, description="refuse keys that are older, whatever they say")
    cache_entries: int = Field(default=50_000, ge=16, le=5_000_000, description="verified keys remembered")
    refused_ttl: Duration = Field(default=5.0, ge=0, le=60, description="how long a refused key is remembered")
    lookup_timeout: Duration = Field(default=0.1, gt=0, le=5, description="deadline of one lookup in the store")
    revocation_bound: Duration = Field(
        default=5.0, gt=0, le=300, description="a key is looked up anew after this long without news from the store"
    )
    max_stale: Duration = Field(
        default=3600.0, ge=0, description="how long known keys go on working while the store is out of reach"
    )

    @model_validator(mode="after")
    def _one_store(self) -> ApiKeySettings:
        if (self.store is None) == (self.file is None):
            raise ValueError("name exactly one of store: redis, file: keys.yaml")
        return self


class CallerSettings(Settings):
    """What an authorization server may vouch for."""

    issuer: Visible = Field(description="exact value of the iss claim")
    audiences: tuple[str, ...] = Field(min_length=1, description="one of these must be in the aud claim")
    leeway: Duration = Field(default=30.0, ge=0, le=60, description="clock skew forgiven")
    client_ids: tuple[str, ...] = Field(default=(), description="accepted client_id / azp; empty accepts all")
    tenant: str = Field(default="", description="tenant of callers without tenant_claim")
    tenant_claim: str | None = Field(default=None, description="claim that names the tenant; then mandatory")
    plan: str = Field(default="", description="plan of callers without plan_claim")
    plan_claim: str | None = Field(default=None, description="claim that names the plan; then mandatory")


class IssuerSettings(CallerSettings):
    """One issuer of JWTs. Without `jwks_uri` and `jwks_file` its metadata are discovered."""

    jwks_uri: SafeUrl | None = Field(default=None, description="where the issuer publishes its keys")
    jwks_file: LocalPath | None = Field(default=None, description="the issuer's keys in a file, reread when it changes")
    algorithms: tuple[Algorithm, ...] = Field(
        default=("RS256", "ES256", "PS256", "EdDSA"), min_length=1, description="signatures accepted"
    )
    types: tuple[str, ...] = Field(
        default=("at+jwt", "jwt", ""),
        min_length=1,
        description="values of typ accepted, lower case; '' is absent; [at+jwt] enforces RFC 9068",
    )
    max_lifetime: Duration = Field(default=86400.0, gt=0, description="longest time from now to exp")
    max_bytes: ByteSize = Field(default=8192, ge=256, le=65536, description="longest JWT")
    refresh_interval: Duration = Field(default=300.0, ge=1, description="time between two reads of the keys")
    refresh_cooldown: Duration = Field(
        default=30.0, ge=1, description="least time between two reads of the keys that an unknown kid causes"
    )
    max_stale: Duration = Field(
        default=86400.0, ge=0, description="how long known keys are used while new ones can't be read"
    )

    @model_validator(mode="after")
    def _one_source(self) -> IssuerSettings:
        if self.jwks_uri is not None and self.jwks_file is not None:
            raise ValueError("name jwks_uri or jwks_file, not both")
        if self.jwks_uri is None and self.jwks_file is None and not is_safe_url(self.issuer):
            raise ValueError("discovery needs an https:// issuer; otherwise name jwks_uri or jwks_file")
        return self


class IntrospectionSettings(CallerSettings):
    """An authorization server that is asked about opaque bearer tokens (RFC 7662)."""

    endpoint: SafeUrl = Field(description="its introspection endpoint")
    client_id: str = Field(min_length=1, description="our own client id there")
    client_secret_env: str | None = Field(default=None, description="environment variable with our client secret")
    client_secret_file: LocalPath | None = Field(default=None, description="file with our client secret")
    active_ttl: Duration = Field(default=60.0, gt=0, le=3600, description="how long a good answer is remembered")
    refused_ttl: Duration = Field(default=5.0, ge=0, le=60, description="how long a bad answer is remembered")
    max_stale: Duration = Field(
        default=300.0, ge=0, description="how long good answers are used while the server can't be reached"
    )
    concurrency: int = Field(default=16, ge=1, le=1024, description="questions at once")
    timeout: Duration = Field(default=0.1, gt=0, le=10, description="deadline of one question; below the decision's")
    cache_entries: int = Field(default=20_000, ge=16, le=1_000_000, description="answers remembered")

    @model_validator(mode="after")
    def _one_secret(self) -> IntrospectionSettings:
        if (self.client_secret_env is None) == (self.client_secret_file is None):
            raise ValueError("name exactly one of client_secret_env, client_secret_file")
        return self


class WorkloadSettings(Settings):
    """Callers that prove themselves with a client certificate: SPIFFE ids, and what they may do."""

    id: str = Field(
        pattern=r"^spiffe://[a-z0-9._-]{1,255}(/[A-Za-z0-9._-]+)*(/\*)?$",
        description="spiffe://domain/path; a final /* stands for everything below",
    )
    scopes: tuple[str, ...] = Field(default=(), description="scopes granted")
    models: tuple[str, ...] | None = Field(default=None, description="glob patterns; by default the plan's")
    tenant: str = Field(default="", description="tenant")
    plan: str = Field(default="", description="plan")


class ThrottleSettings(Settings):
    """How many wrong credentials an address may show before it must wait."""

    failures: int = Field(default=20, ge=1, description="wrong credentials an address may show at once")
    refill: Duration = Field(default=6.0, gt=0, description="time after which one more is forgiven")
    addresses: int = Field(default=65_536, ge=16, description="addresses remembered")


class AuthenticationSettings(Settings):
    """Kinds of credentials that are accepted; with none of them every request needs a public route."""

    api_keys: ApiKeySettings | None = Field(default=None, description="API keys")
    jwt: tuple[IssuerSettings, ...] = Field(default=(), description="issuers of JWTs")
    introspection: IntrospectionSettings | None = Field(default=None, description="opaque bearer tokens")
    workloads: tuple[WorkloadSettings, ...] = Field(
        default=(), description="callers with a client certificate and no other credential; the first match counts"
    )
    dpop_window: Duration = Field(
        default=60.0, gt=0, le=600, description="how old or early a DPoP proof may be, and how long it is remembered"
    )
    jwt_cache_entries: int = Field(default=20_000, ge=16, le=1_000_000, description="verified JWTs remembered")
    failed_credentials: ThrottleSettings = Field(
        default=ThrottleSettings(), description="limit on guessing, for each address and replica"
    )

    @model_validator(mode="after")
    def _distinct_issuers(self) -> AuthenticationSettings:
        names = [entry.issuer for entry in self.jwt]
        if len(set(names)) != len(names):
            raise ValueError("jwt: an issuer occurs twice")
        return self

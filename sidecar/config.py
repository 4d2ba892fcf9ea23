"""Configuration: one YAML file -> one validated, frozen Config; JSON Schema comes from here."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails

from sidecar.apis.settings import BodySettings
from sidecar.authentication.settings import AuthenticationSettings
from sidecar.authorization import AuthorizationSettings
from sidecar.errors import ConfigurationError
from sidecar.inspection import InspectionSettings
from sidecar.limits.settings import BucketSettings, DescriptorSettings, LimitSettings
from sidecar.plans import PlanSettings
from sidecar.redis_connection import RedisSettings
from sidecar.settings import Duration, Settings
from sidecar.telemetry import TelemetrySettings
from sidecar.yaml_loader import read_yaml


class ServerSettings(Settings):
    """The door that Envoy knocks at."""

    listen: str = Field(
        default="unix:/run/portcullis/portcullis.sock",
        pattern=r"^unix:/.{1,100}$|^(127\.0\.0\.1|\[::1\]|localhost):[0-9]{1,5}$",
        description="unix:/PATH, or a loopback ADDRESS:PORT",
    )
    health: str | None = Field(
        default=None,
        pattern=r"^[^\s:]+:[0-9]{1,5}$|^\[[0-9a-f:]+\]:[0-9]{1,5}$",
        description="ADDRESS:PORT for gRPC health probes alone; a kubelet reaches no Unix socket",
    )
    transport: Literal["auto", "native", "grpcio"] = Field(
        default="auto", description="`auto` takes the native transport when it is installed"
    )
    drain: Duration = Field(default=10.0, ge=0, le=600, description="how long running calls may take after SIGTERM")
    max_message_bytes: int = Field(
        default=16 << 20, ge=1 << 16, description="largest CheckRequest; above Envoy's max_request_bytes"
    )


class Config(Settings):
    """The whole configuration. Every key but `authentication` and `authorization` may be left out."""

    server: ServerSettings = ServerSettings()
    redis: RedisSettings | None = Field(default=None, description="left out: buckets in memory, one replica")
    authentication: AuthenticationSettings
    authorization: AuthorizationSettings
    plans: dict[str, PlanSettings] = Field(default={}, description="what the holders of a plan may use, by name")
    limits: tuple[LimitSettings, ...] = Field(default=(), description="limits on every request")
    buckets: BucketSettings = BucketSettings()
    ratelimit: DescriptorSettings | None = Field(default=None, description="Envoy's rate-limit service")
    body: BodySettings = BodySettings()
    inspection: InspectionSettings = InspectionSettings()
    telemetry: TelemetrySettings = TelemetrySettings()


def load(path: Path) -> Config:
    """Read and validate the file at `path`; raises ConfigurationError naming file, key and fix."""
    document = read_yaml(path)
    if not isinstance(document, dict):
        raise ConfigurationError(str(path), "", "is not a mapping", "start with `authentication:`")
    try:
        return Config.model_validate(document, context={"folder": path.parent})
    except ValidationError as fault:
        raise explain(fault, Config, str(path)) from None


def explain(fault: ValidationError, model: type[BaseModel], source: str) -> ConfigurationError:
    """One fault of a validation as a sentence; the others are counted. A misspelt key often explains a missing one."""
    errors = fault.errors(include_url=False)
    first = next((error for error in errors if error["type"] == "extra_forbidden"), errors[0])
    rest = len(errors) - 1
    key = _dotted(first)
    more = f"; {rest} more" if rest else ""
    if first["type"] == "extra_forbidden":
        known = _fields_at(model, first["loc"][:-1])
        near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        fix = f"did you mean `{near[0]}`?" if near else f"known here: {', '.join(sorted(known))}"
        return ConfigurationError(source, key, "unknown key", fix + more)
    problem = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        problem = "is missing"
    return ConfigurationError(source, key, problem[:1].lower() + problem[1:] + more)


def schema() -> dict[str, Any]:
    """JSON Schema of the configuration file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Config.model_json_schema()}


def _dotted(error: ErrorDetails) -> str:
    key = ""
    for part in error["loc"]:
        key += f"[{part}]" if isinstance(part, int) else f".{part}"
    return key.removeprefix(".")


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys known at a place: follow the location through the models, as far as it leads."""
    models: list[type[BaseModel]] = [model]
    for part in location:
        candidates = [candidate for owner in models for candidate in _models_in(owner, part)]
        models = candidates or models
    return sorted({name for owner in models for name in owner.model_fields})


def _models_in(owner: type[BaseModel], part: int | str) -> list[type[BaseModel]]:
    info = owner.model_fields.get(str(part))
    if info is not None:
        return _unwrap(info.annotation)
    # A discriminated union adds the tag of its member to the location.
    return [owner] if part in [getattr(f, "default", None) for f in owner.model_fields.values()] else []


def _unwrap(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for argument in get_args(annotation) for found in _unwrap(argument)]

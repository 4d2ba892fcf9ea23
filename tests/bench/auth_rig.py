"""What the benchmarks of identity share: gates on real Redis, keys in bulk, timing."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from math import erf, sqrt

import redis

from sidecar.authentication import Authentication, AuthenticationSettings, build
from sidecar.authentication.api_keys import KeyAdministration, KeyRequest, open_store
from sidecar.authentication.api_keys.text import base62
from sidecar.errors import InvalidCredential
from sidecar.metrics import Metrics
from sidecar.redis_connection import RedisSettings
from sidecar.request import HttpRequest
from tests.bench.report import percentile

LIVE = KeyRequest(environment="live", owner="bench", tenant="acme", plan="free", scopes=("llm:read", "llm:write"))
SETTINGS = AuthenticationSettings.model_validate(
    {
        "api_keys": {"store": "redis", "refused_ttl": 0, "lookup_timeout": "2s"},
        "failed_credentials": {"failures": 10**9},
    }
)


def use_new_master_key() -> None:
    """A master key for this process alone."""
    os.environ["PORTCULLIS_MASTER_KEY"] = base64.b64encode(os.urandom(32)).decode()


def show(credential: str) -> HttpRequest:
    """A request as Envoy forwards it, with the credential as bearer token."""
    return HttpRequest(
        method="POST",
        path="/v1/chat/completions",
        host="api.example.com",
        scheme="https",
        headers={
            ":method": ("POST",),
            "authorization": (f"Bearer {credential}",),
            "content-type": ("application/json",),
            "user-agent": ("bench",),
        },
        client_ip="203.0.113.7",
    )


async def open_gate(url: str) -> Authentication:
    """A replica on Redis."""
    gate = build(SETTINGS, RedisSettings(url=url), Metrics())
    await gate.start()
    return gate


def administration(url: str) -> KeyAdministration:
    """What `portcullis keys` works with."""
    assert SETTINGS.api_keys is not None
    return KeyAdministration(*open_store(SETTINGS.api_keys, RedisSettings(url=url)))


async def refused(gate: Authentication, request: HttpRequest) -> bool:
    """Whether the gate refuses the request."""
    try:
        await gate.authenticate(request)
    except InvalidCredential:
        return True
    return False


def fill(client: redis.Redis, sealed: bytes, count: int) -> None:
    """Put `count` more records of a real size beside the real ones."""
    for start in range(0, count, 10_000):
        with client.pipeline(transaction=False) as pipeline:
            for number in range(start, min(start + 10_000, count)):
                pipeline.set(f"portcullis:key:{base62(number, 12)}", sealed)
            pipeline.execute()


async def seconds_each(call: Callable[[], Awaitable[object]], times: int) -> float:
    """Seconds of one undisturbed call: the first decile, so that the machine's other work is left out."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        await call()
        found.append(time.perf_counter() - began)
    return percentile(sorted(found), 0.1)


@contextmanager
def timed(into: list[float]) -> Iterator[None]:
    """Append the seconds that the block took."""
    began = time.perf_counter()
    try:
        yield
    finally:
        into.append(time.perf_counter() - began)


def mann_whitney(first: list[float], second: list[float]) -> float:
    """Two-sided p of the Mann-Whitney U test, normal approximation (no ties to speak of in times)."""
    ranked = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    rank_sum = sum(rank for rank, (_, group) in enumerate(ranked, 1) if group == 0)
    n, m = len(first), len(second)
    u = rank_sum - n * (n + 1) / 2
    z = (u - n * m / 2) / sqrt(n * m * (n + m + 1) / 12)
    return 1 - erf(abs(z) / sqrt(2))

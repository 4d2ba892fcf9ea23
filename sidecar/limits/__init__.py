"""What a limit is, the arithmetic of buckets, and the stores that keep them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sidecar.limits.cluster_store import ClusterStore
from sidecar.limits.descriptors import Descriptors, load
from sidecar.limits.layers import Layers
from sidecar.limits.limiter import Limiter
from sidecar.limits.peers import Peers
from sidecar.limits.redis_store import RedisStore
from sidecar.limits.settings import BucketSettings, DescriptorSettings, LimitSettings
from sidecar.limits.source import DescriptorSource
from sidecar.metrics import Metrics
from sidecar.redis_connection import Connection, RedisSettings


def compile_layers(limits: Sequence[LimitSettings], plans: Mapping[str, Sequence[LimitSettings]]) -> Layers:
    """The configured limits and those of the plans."""
    return Layers([one.limit() for one in limits], {plan: [one.limit() for one in own] for plan, own in plans.items()})


def open_limiter(buckets: BucketSettings, redis: RedisSettings | None, metrics: Metrics) -> Limiter:
    """What keeps the buckets: Redis where it is configured, this process otherwise."""
    if redis is None:
        return Limiter(buckets, metrics)
    connection = Connection(redis)
    single = RedisStore(connection.client, redis.prefix)
    store = ClusterStore(single) if redis.cluster else single
    return Limiter(buckets, metrics, store, Peers(connection, redis.prefix))


def read_descriptors(settings: DescriptorSettings | None) -> Descriptors:
    """The rules of Envoy's rate-limit service, none where it isn't configured; raises ConfigurationError."""
    return Descriptors({}) if settings is None else load(settings.descriptors, merge_domains=settings.merge_domains)


__all__ = [
    "BucketSettings",
    "DescriptorSettings",
    "DescriptorSource",
    "Layers",
    "LimitSettings",
    "Limiter",
    "compile_layers",
    "open_limiter",
    "read_descriptors",
]

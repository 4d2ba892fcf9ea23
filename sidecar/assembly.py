"""Config -> the objects that decide, without anything that listens."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sidecar import authentication, limits
from sidecar.authentication import Authentication
from sidecar.authorization import Authorization
from sidecar.config import Config
from sidecar.inspection import Inspection
from sidecar.limits import Limiter
from sidecar.limits.source import DescriptorSource
from sidecar.metrics import Metrics
from sidecar.policy import Policy


@dataclass(frozen=True, slots=True)
class Assembly:
    """What a configuration decides with, apart from the buckets, which outlive it."""

    policy: Policy
    authentication: Authentication
    authorization: Authorization
    inspection: Inspection
    descriptors: DescriptorSource

    async def start(self) -> None:
        """Load keys, and follow the changes of keys and descriptors."""
        await self.authentication.start()
        await self.descriptors.start()

    async def stop(self) -> None:
        """End the background work."""
        await self.descriptors.stop()
        await self.authentication.stop()
        await asyncio.to_thread(self.inspection.close)


def assemble(config: Config, limiter: Limiter, metrics: Metrics) -> Assembly:
    """Build everything that a configuration describes; raises ConfigurationError, and starts nothing."""
    plans = {name: plan.limits for name, plan in config.plans.items()}
    callers = authentication.build(config.authentication, config.redis, metrics)
    authorization = Authorization(config.authorization, config.plans, metrics)
    inspection = Inspection(config.inspection, metrics)
    policy = Policy(
        authentication=callers,
        authorization=authorization,
        layers=limits.compile_layers(config.limits, plans),
        limiter=limiter,
        inspection=inspection,
        body_settings=config.body,
    )
    return Assembly(policy, callers, authorization, inspection, DescriptorSource(config.ratelimit, metrics))

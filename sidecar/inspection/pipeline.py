"""Running inspectors over a prompt."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from sidecar.inspection.condense import MANY, condense
from sidecar.inspection.finding import Action, Finding
from sidecar.inspection.kinds import build
from sidecar.inspection.settings import InspectionSettings
from sidecar.metrics import Metrics
from sidecar.prompt import Prompt


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all inspectors say together. `action` is the gravest of the findings', `score` (0..1) the highest."""

    action: Action
    score: float
    findings: tuple[Finding, ...]


_THREADS = 2  # one long prompt must not make all others wait
_NO_SCOPES: frozenset[str] = frozenset()
_CLEAN = Verdict(Action.ALLOW, 0.0, ())
_GRAVITY = {Action.ALLOW: 0, Action.FLAG: 1, Action.DENY: 2}


class Inspection:
    """The configured inspectors, compiled.

    A short prompt is inspected where it stands. A long one goes to a thread: other requests are decided meanwhile,
    and Hyperscan lets go of the interpreter's lock while it scans.
    """

    def __init__(self, settings: InspectionSettings, metrics: Metrics) -> None:
        """Compile every inspector. Raises ConfigurationError for a file that can't be used."""
        self._inspectors = tuple((one, build(one)) for one in settings.inspectors)
        self._narrowed = any(not one.applies_always for one in settings.inspectors)
        self._offload_bytes = settings.offload_bytes
        self._deadline = settings.deadline
        self._metrics = metrics
        self._closed = False
        self._pool = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="inspection")

    async def inspect(
        self, prompt: Prompt, *, route: str = "", plan: str = "", tenant: str = "", scopes: frozenset[str] = _NO_SCOPES
    ) -> Verdict:
        """Every applicable inspector's findings about `prompt`. `route`, `plan` and `tenant` are names, or "".

        `scopes` are the caller's. Raises TimeoutError when a long prompt has not been inspected by the deadline.
        """
        if not self._inspectors:
            return _CLEAN
        if self._closed or sum(len(segment.text) for segment in prompt.segments) <= self._offload_bytes:
            return self.inspect_now(prompt, route=route, plan=plan, tenant=tenant, scopes=scopes)
        loop = asyncio.get_running_loop()
        inspecting = loop.run_in_executor(
            self._pool, lambda: self.inspect_now(prompt, route=route, plan=plan, tenant=tenant, scopes=scopes)
        )
        return await asyncio.wait_for(inspecting, self._deadline)

    def inspect_now(
        self, prompt: Prompt, *, route: str = "", plan: str = "", tenant: str = "", scopes: frozenset[str] = _NO_SCOPES
    ) -> Verdict:
        """The same, in the calling thread."""
        started = time.perf_counter()
        findings: list[Finding] = []
        model = prompt.model or ""
        condensed = condense(prompt) if len(prompt.segments) > MANY else None
        for settings, inspector in self._inspectors:
            if self._narrowed and not settings.applies(
                route=route, plan=plan, tenant=tenant, model=model, scopes=scopes
            ):
                continue
            if condensed is None:
                found = inspector.inspect(prompt)
            else:
                found = condensed.restore(inspector.inspect(condensed.prompt))
            if settings.shadow_mode:
                findings += map(self._shadow, found)
            else:
                findings += found
        verdict = _conclude(findings) if findings else _CLEAN
        self._metrics.inspection_seconds.record(time.perf_counter() - started, verdict.action)
        return verdict

    def close(self) -> None:
        """Let the threads finish what they have begun. A straggler is inspected where it stands."""
        self._closed = True
        self._pool.shutdown()

    def _shadow(self, finding: Finding) -> Finding:
        if finding.action is not Action.DENY:
            return finding
        self._metrics.findings_shadowed.add(1, finding.rule)
        return replace(finding, action=Action.FLAG)


def _conclude(findings: list[Finding]) -> Verdict:
    action = max((finding.action for finding in findings), key=_GRAVITY.__getitem__)
    return Verdict(action, max(finding.score for finding in findings), tuple(findings))

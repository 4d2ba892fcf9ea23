"""Journal: one decision becomes one count, one span (when sampled) and one log line."""

from __future__ import annotations

import time

import structlog

from sidecar.decision import Allow, Decision
from sidecar.metrics import Metrics
from sidecar.request import HttpRequest
from sidecar.telemetry import Telemetry


class Journal:
    """Keeps decisions. `log_allowed` adds a line for what passed without a finding: Envoy's access log has those."""

    def __init__(self, metrics: Metrics, telemetry: Telemetry, *, log_allowed: bool) -> None:
        self._metrics = metrics
        self._telemetry = telemetry
        self._log_allowed = log_allowed
        self._log = structlog.get_logger()

    def record(self, request: HttpRequest, decision: Decision, started_ns: int, traceparent: str | None) -> None:
        """Keep one decision; `started_ns` is Unix time."""
        seconds = (time.time_ns() - started_ns) / 1e9
        verdict, evidence, metrics = decision.verdict, decision.evidence, self._metrics
        allowed = isinstance(verdict, Allow)
        name, reason = ("allow", "ok") if isinstance(verdict, Allow) else ("deny", verdict.reason.value)
        metrics.decisions.add(1, name, reason)
        metrics.decision_seconds.record(seconds, name)
        for finding in evidence.findings:
            metrics.findings.add(1, finding.rule, finding.action)
        trace_id = self._telemetry.trace(request, decision, traceparent, started_ns)
        if allowed and not evidence.findings and not self._log_allowed:
            return
        principal = evidence.principal
        self._log.info(
            "decision",
            verdict=name,
            reason=reason,
            code=verdict.code,
            method=request.method,
            route=evidence.route,
            api=evidence.api,
            client_ip=request.client_ip,
            principal=principal.id if principal else "",
            tenant=principal.tenant if principal else "",
            plan=principal.plan if principal else "",
            findings=[finding.rule for finding in evidence.findings],
            limits=[s.charge.limit.name for s in evidence.taken.statuses if s.over] if evidence.taken else [],
            request_id=request.request_id,
            trace_id=trace_id,
            duration_ms=round(seconds * 1e3, 3),
        )

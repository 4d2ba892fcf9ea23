"""`portcullis explain`: how a CheckRequest is decided, stage by stage."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "explain",
        help="decide a CheckRequest (protobuf JSON on standard input), stage by stage",
        description="Decide one CheckRequest, read as protobuf JSON from standard input, and show what each stage "
        "learned. Keys are looked up where the configuration keeps them; buckets are taken as full and not charged.",
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the YAML configuration")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    return asyncio.run(_explain(options.config, sys.stdin.read(), as_json=options.json))


async def _explain(path: Path, text: str, *, as_json: bool) -> int:
    from sidecar import assembly, config, limits  # noqa: PLC0415 - see serve
    from sidecar.decision import Allow, Decision, Deny, Reason  # noqa: PLC0415
    from sidecar.errors import InvalidRequest  # noqa: PLC0415
    from sidecar.metrics import Metrics  # noqa: PLC0415
    from sidecar.request import HttpRequest  # noqa: PLC0415
    from sidecar.services.authorization import request_from_json  # noqa: PLC0415

    settings = config.load(path)
    metrics = Metrics()
    assembled = assembly.assemble(settings, limits.open_limiter(settings.buckets, None, metrics), metrics)
    await assembled.start()
    try:
        request = request_from_json(text)
        decision = await assembled.policy.decide(request)
    except InvalidRequest as bad:
        request = HttpRequest(method="?", path="?")
        decision = Decision(Deny(Reason.INVALID_REQUEST, bad.code))
    finally:
        await assembled.stop()
    stages = _stages(request, decision, assembled.authorization.explain(request, decision.evidence.principal))
    if as_json:
        print(json.dumps(stages))
    else:
        for name, shown in stages.items():
            print(f"{name:<12}{_line(name, shown)}")
    return 0 if isinstance(decision.verdict, Allow) else 1


def _stages(request: Any, decision: Any, rules: Any) -> dict[str, Any]:
    from sidecar.decision import Deny, refuse  # noqa: PLC0415

    evidence, verdict = decision.evidence, decision.verdict
    stages: dict[str, Any] = {
        "request": {"method": request.method, "path": request.path, "host": request.host, "from": request.client_ip},
        "api": evidence.api,
    }
    if evidence.principal is not None:
        principal = evidence.principal
        stages["credential"] = {
            "principal": principal.id,
            "tenant": principal.tenant,
            "plan": principal.plan,
            "scopes": sorted(principal.scopes),
        }
    if evidence.route:
        stages["route"] = evidence.route
    stages["rules"] = [{"rule": one.rule, "outcome": one.outcome, "decided": one.decided} for one in rules]
    if evidence.prompt is not None:
        prompt = evidence.prompt
        stages["prompt"] = {"model": prompt.model, "segments": len(prompt.segments), "bytes": prompt.text_bytes}
    if evidence.taken is not None:
        stages["limits"] = [
            {"name": s.charge.limit.name, "remaining": s.remaining, "of": s.charge.limit.burst, "over": s.over}
            for s in evidence.taken.statuses
        ]
    if evidence.findings:
        stages["findings"] = [{"rule": f.rule, "score": f.score, "action": f.action} for f in evidence.findings]
    if isinstance(verdict, Deny):
        answer = {"reason": verdict.reason, "code": verdict.code, "status": refuse(decision, verdict).status}
        stages["decision"] = {"verdict": "deny", **answer}
    else:
        stages["decision"] = {"verdict": "allow", "code": verdict.code}
    return stages


def _line(stage: str, shown: Any) -> str:
    if stage == "request":
        return f"{shown['method']} {shown['path']}  host {shown['host'] or '-'}  from {shown['from'] or '-'}"
    if stage == "credential":
        rights = (
            f"tenant {shown['tenant'] or '-'}  plan {shown['plan'] or '-'}  scopes {' '.join(shown['scopes']) or '-'}"
        )
        return f"{shown['principal']}  {rights}"
    if stage == "prompt":
        return f"model {shown['model'] or '-'}, {shown['segments']} segments, {shown['bytes']} bytes"
    if stage == "rules":
        return "; ".join(f"{r['rule']}: {r['outcome']}{' (decided)' if r['decided'] else ''}" for r in shown) or "none"
    if stage == "limits":
        return "; ".join(f"{b['name']} {'OVER' if b['over'] else b['remaining']} of {b['of']}" for b in shown)
    if stage == "findings":
        return "; ".join(f"{f['rule']} ({f['score']:.2f}, {f['action']})" for f in shown)
    if stage == "decision" and shown["verdict"] == "deny":
        return f"deny, {shown['reason']} ({shown['code']}), answered with {shown['status']}"
    if stage == "decision":
        return f"allow ({shown['code']})"
    return str(shown)

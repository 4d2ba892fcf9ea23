"""The decision about one request, and the only place where a Reason becomes a status, headers and a body."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from sidecar.inspection.finding import Finding
from sidecar.limits.limit import BucketStatus, Taken
from sidecar.principal import Principal
from sidecar.prompt import Prompt

Headers = list[tuple[str, str]]


class Reason(StrEnum):
    """Why a request was refused, as coarse as a client may know it. The value is stable and part of the interface."""

    INVALID_REQUEST = "invalid_request"
    INVALID_BODY = "invalid_body"
    BODY_TOO_LARGE = "body_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    MISSING_CREDENTIAL = "missing_credential"
    INVALID_CREDENTIAL = "invalid_credential"
    INSUFFICIENT_SCOPE = "insufficient_scope"
    FORBIDDEN = "forbidden"
    MODEL_NOT_ALLOWED = "model_not_allowed"
    OVER_LIMIT = "over_limit"
    PROMPT_REFUSED = "prompt_refused"
    UNAVAILABLE = "unavailable"
    INTERNAL_ERROR = "internal_error"


class ErrorStyle(StrEnum):
    """The shape of an error body: that of the API which the client called."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    PROBLEM = "problem"  # RFC 9457


@dataclass(frozen=True, slots=True)
class Deny:
    """A refusal. `code` is the precise, stable code for the operator; the client sees `reason` and `message`.

    `scope` holds the scopes that would have been enough, `rules` the ids of the inspection rules that refused,
    `retry_after` the seconds after which to come back when no bucket says so. An empty `message` stands for the
    reason's own sentence.
    """

    reason: Reason
    code: str
    message: str = ""
    scope: str = ""
    rules: tuple[str, ...] = ()
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class Allow:
    """The request may pass. `code` is `ok`, or the code of the refusal that shadow mode has turned into a pass."""

    code: str = "ok"


class Evidence(Struct):
    """What the stages of one decision learned, in the order of the stages; None where none got so far."""

    error_style: ErrorStyle = ErrorStyle.PROBLEM
    api: str = ""
    route: str = ""
    principal: Principal | None = None
    prompt: Prompt | None = None
    taken: Taken | None = None
    findings: tuple[Finding, ...] = ()


class Decision(Struct, frozen=True):
    """The verdict and the evidence it rests on."""

    verdict: Allow | Deny
    evidence: Evidence = field(default_factory=Evidence)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP answer in the caller's API format. Header values are visible ASCII."""

    status: int
    headers: Headers
    body: str


@dataclass(frozen=True, slots=True)
class _Meaning:
    status: int
    message: str
    openai: str
    anthropic: str
    gemini: str


# fmt: off
_BAD, _REFUSED, _KEY = "invalid_request_error", "permission_error", "authentication_error"
_MEANINGS: Mapping[Reason, _Meaning] = {
    Reason.INVALID_REQUEST: _Meaning(
        400, "The request is malformed or ambiguous.", _BAD, _BAD, "INVALID_ARGUMENT"),
    Reason.INVALID_BODY: _Meaning(
        400, "The request body can't be read as this API expects it.", _BAD, _BAD, "INVALID_ARGUMENT"),
    Reason.BODY_TOO_LARGE: _Meaning(
        413, "The request is too large.", _BAD, "request_too_large", "INVALID_ARGUMENT"),
    Reason.UNSUPPORTED_MEDIA_TYPE: _Meaning(
        415, "The encoding of the request body is not supported.", _BAD, _BAD, "INVALID_ARGUMENT"),
    Reason.MISSING_CREDENTIAL: _Meaning(
        401, "No API key or bearer token was provided.", _BAD, _KEY, "UNAUTHENTICATED"),
    Reason.INVALID_CREDENTIAL: _Meaning(
        401, "The API key or bearer token is not valid.", _BAD, _KEY, "UNAUTHENTICATED"),
    Reason.INSUFFICIENT_SCOPE: _Meaning(
        403, "The credential lacks a scope.", _REFUSED, _REFUSED, "PERMISSION_DENIED"),
    Reason.FORBIDDEN: _Meaning(
        403, "The credential may not make this request.", _REFUSED, _REFUSED, "PERMISSION_DENIED"),
    Reason.MODEL_NOT_ALLOWED: _Meaning(
        403, "The credential may not use this model.", _REFUSED, _REFUSED, "PERMISSION_DENIED"),
    Reason.OVER_LIMIT: _Meaning(
        429, "Rate limit reached.", "rate_limit_error", "rate_limit_error", "RESOURCE_EXHAUSTED"),
    Reason.PROMPT_REFUSED: _Meaning(
        403, "The prompt was refused by the gateway's policy.", _BAD, _REFUSED, "PERMISSION_DENIED"),
    Reason.UNAVAILABLE: _Meaning(
        503, "The gateway can't decide right now; try again.", "server_error", "overloaded_error", "UNAVAILABLE"),
    Reason.INTERNAL_ERROR: _Meaning(
        500, "The gateway failed.", "server_error", "api_error", "INTERNAL"),
}
# fmt: on

assert set(_MEANINGS) == set(Reason)

REASON_HEADER = "x-portcullis-reason"
"""On every refusal, whatever the body's format: the Reason, for scripts and for Envoy's access log."""

_PRINCIPAL, _TENANT, _PLAN = "x-portcullis-principal", "x-portcullis-tenant", "x-portcullis-plan"
_SCOPES, _MODEL, _FLAGS = "x-portcullis-scopes", "x-portcullis-model", "x-portcullis-findings"
IDENTITY_HEADERS: tuple[str, ...] = (_PRINCIPAL, _TENANT, _PLAN, _SCOPES, _MODEL, _FLAGS)
"""What the upstream learns. Each is overwritten, or removed when there is nothing to say."""
_MAX_HEADER = 512


def refuse(decision: Decision, deny: Deny, now: Callable[[], float] = time.time) -> Refusal:
    """The HTTP answer to a refused request, in the error format of the API that was called."""
    meaning, evidence = _MEANINGS[deny.reason], decision.evidence
    style = evidence.error_style
    message = deny.message or meaning.message
    if deny.rules:
        message = f"{message} Rules: {', '.join(deny.rules)}."
    headers: Headers = [
        ("content-type", "application/problem+json" if style is ErrorStyle.PROBLEM else "application/json"),
        ("cache-control", "no-store"),
        (REASON_HEADER, deny.reason),
    ]
    challenge = _challenge(deny)
    if challenge:
        headers.append(("www-authenticate", challenge))
    if deny.retry_after:
        headers.append(("retry-after", str(max(1, math.ceil(deny.retry_after)))))
    elif deny.reason is Reason.OVER_LIMIT and evidence.taken is not None:
        over = [status for status in evidence.taken.statuses if status.over and not status.charge.limit.shadow]
        if over:
            last = max(over, key=lambda status: status.retry_after_us)
            headers.append(("retry-after", str(max(1, -(-last.retry_after_us // 1_000_000)))))
            headers += budget_headers(style, last, now)
    elif deny.reason is Reason.UNAVAILABLE:
        headers.append(("retry-after", "1"))
    body = json.dumps(_BODIES[style](deny, meaning, message), ensure_ascii=True, separators=(",", ":"))
    return Refusal(meaning.status, headers, body)


def _challenge(deny: Deny) -> str:
    """RFC 6750, section 3: no error code when no credential came at all."""
    if deny.reason is Reason.MISSING_CREDENTIAL:
        return 'Bearer realm="portcullis"'
    if deny.reason is Reason.INVALID_CREDENTIAL:
        return 'Bearer realm="portcullis", error="invalid_token"'
    if deny.reason is Reason.INSUFFICIENT_SCOPE:
        return f'Bearer realm="portcullis", error="insufficient_scope", scope="{deny.scope}"'
    return ""


def _openai_body(deny: Deny, meaning: _Meaning, message: str) -> dict[str, Any]:
    error: dict[str, Any] = {"message": message, "type": meaning.openai, "param": None, "code": deny.reason}
    if deny.rules:
        error["rules"] = deny.rules
    return {"error": error}


def _anthropic_body(deny: Deny, meaning: _Meaning, message: str) -> dict[str, Any]:
    error: dict[str, Any] = {"type": meaning.anthropic, "message": message, "code": deny.reason}
    if deny.rules:
        error["rules"] = deny.rules
    return {"type": "error", "error": error}


def _gemini_body(deny: Deny, meaning: _Meaning, message: str) -> dict[str, Any]:
    info: dict[str, Any] = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": deny.reason.upper(),
        "domain": "portcullis",
    }
    if deny.rules:
        info["metadata"] = {"rules": ",".join(deny.rules)}
    return {"error": {"code": meaning.status, "message": message, "status": meaning.gemini, "details": [info]}}


def _problem_body(deny: Deny, meaning: _Meaning, message: str) -> dict[str, Any]:
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": meaning.message.rstrip("."),
        "status": meaning.status,
        "detail": message,
        "code": deny.reason,
    }
    if deny.rules:
        problem["rules"] = deny.rules
    return problem


_BODIES: Mapping[ErrorStyle, Callable[[Deny, _Meaning, str], dict[str, Any]]] = {
    ErrorStyle.OPENAI: _openai_body,
    ErrorStyle.ANTHROPIC: _anthropic_body,
    ErrorStyle.GEMINI: _gemini_body,
    ErrorStyle.PROBLEM: _problem_body,
}


def tightest(taken: Taken) -> BucketStatus | None:
    """The bucket that a caller should watch: the one with the smallest share left among those keyed by somebody.

    A limit without `by` is everybody's; what is left of it is not a caller's business.
    """
    best, best_share = None, 2.0
    for status in taken.statuses:
        limit = status.charge.limit
        if limit.by and not limit.shadow:
            share = status.remaining / limit.burst if limit.burst else 0.0
            if share < best_share:
                best, best_share = status, share
    return best


def budget_headers(style: ErrorStyle, status: BucketStatus, now: Callable[[], float] = time.time) -> Headers:
    """What is left of a bucket, in the header names that clients of this API already read."""
    limit, remaining, reset = str(status.charge.limit.burst), str(status.remaining), status.reset_us
    if style is ErrorStyle.OPENAI:
        return [
            ("x-ratelimit-limit-requests", limit),
            ("x-ratelimit-remaining-requests", remaining),
            ("x-ratelimit-reset-requests", _go_duration(reset)),
        ]
    if style is ErrorStyle.ANTHROPIC:
        at = datetime.fromtimestamp(now() + reset / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return [
            ("anthropic-ratelimit-requests-limit", limit),
            ("anthropic-ratelimit-requests-remaining", remaining),
            ("anthropic-ratelimit-requests-reset", at),
        ]
    return [
        ("ratelimit-limit", limit),
        ("ratelimit-remaining", remaining),
        ("ratelimit-reset", str(-(-reset // 1_000_000))),
    ]


def _go_duration(us: int) -> str:
    """`6m0s`, `1s`, `120ms`: the spelling of OpenAI's reset headers."""
    milliseconds = -(-us // 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    seconds = -(-milliseconds // 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{seconds}s"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"


def identity_headers(evidence: Evidence) -> Headers:
    """What the upstream is told. A value that is long or not visible ASCII is left out, so its header is removed."""
    principal, headers = evidence.principal, []
    if principal is not None:
        headers.append((_PRINCIPAL, principal.id))
        headers.append((_TENANT, principal.tenant))
        headers.append((_PLAN, principal.plan))
        headers.append((_SCOPES, " ".join(sorted(principal.scopes))))
    if evidence.prompt is not None and evidence.prompt.model:
        headers.append((_MODEL, evidence.prompt.model))
    if evidence.findings:
        headers.append((_FLAGS, ",".join(sorted({finding.rule for finding in evidence.findings}))))
    return [
        (name, value)
        for name, value in headers
        if value and len(value) <= _MAX_HEADER and value.isascii() and value.isprintable()
    ]

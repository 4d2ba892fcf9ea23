"""rate limit v3: RateLimitRequest -> Question -> charges -> RateLimitResponse."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError

from sidecar._pb.core_pb2 import HeaderValue
from sidecar._pb.descriptor_pb2 import RateLimitDescriptor
from sidecar._pb.ratelimit_pb2 import RateLimitRequest, RateLimitResponse
from sidecar._pb.types_pb2 import RateLimitUnit
from sidecar.errors import InvalidRequest
from sidecar.limits.limit import Taken
from sidecar.limits.limiter import Limiter
from sidecar.limits.question import Answer, Descriptor, Question, Questions, answers, metadata
from sidecar.limits.source import DescriptorSource
from sidecar.metrics import Metrics
from sidecar.services.authorization import register_unary

SERVICE = "envoy.service.ratelimit.v3.RateLimitService"

_OK, _OVER = RateLimitResponse.OK, RateLimitResponse.OVER_LIMIT
_UNITS = {name.lower(): number for name, number in RateLimitResponse.RateLimit.Unit.items()}
_OVERRIDE_UNITS: dict[int, str] = {number: name.lower() for name, number in RateLimitUnit.items() if number} | {
    7: "week"
}
_MAX_QUESTIONS, _LONGEST_QUESTION = 16_384, 2048  # calls kept compiled: Envoy sends the same bytes again and again
_MAX_LABELS = 1000  # label values that a request's own values may make
_MAX_UINT32 = 2**32 - 1
_BODY = json.dumps(
    {
        "type": "error",
        "error": {
            "type": "rate_limit_error",
            "code": "over_limit",
            "message": "Rate limit reached. Try again after the time in the retry-after header.",
            "param": None,
        },
    },
    separators=(",", ":"),
).encode()

# envoyproxy/ratelimit answers the first two with the code UNKNOWN and these sentences.
_MESSAGES = {
    "empty_domain": "rate limit domain must not be empty",
    "empty_descriptors": "rate limit descriptor list must not be empty",
    "override_without_unit": "rate limit override must name a unit",
    "too_many_descriptors": "rate limit descriptor list must not be longer than 256",
}


class RateLimitService:
    """The servicer of `envoy.service.ratelimit.v3.RateLimitService`.

    An answer never carries the code UNKNOWN, which Envoy takes for a pass; what can't be answered is a gRPC error, and
    Envoy then does as its `failure_mode_deny` says.
    """

    def __init__(self, source: DescriptorSource, limiter: Limiter, metrics: Metrics) -> None:
        self._source, self._limiter, self._metrics = source, limiter, metrics
        self._compiled: dict[bytes, Question] = {}
        self._compiled_by: Questions = source.questions
        self._labels: set[str] = set()
        self._bookings: set[asyncio.Future[Taken]] = set()

    def replace(self, source: DescriptorSource) -> None:
        """Answer by other descriptors from the next call on."""
        self._source = source

    def register(self, server: grpc.aio.Server) -> None:
        """Add the service to a grpcio server, or to one that stands in for it."""
        register_unary(server, SERVICE, {"ShouldRateLimit": self.should_rate_limit})

    async def should_rate_limit(self, payload: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        """Answer one serialized RateLimitRequest with one serialized RateLimitResponse."""
        try:
            question = self._question(payload)
        except DecodeError:
            self._metrics.descriptor_errors.add(1, "undecodable_request")
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "undecodable request")
        except InvalidRequest as bad:
            self._metrics.descriptor_errors.add(1, bad.code)
            await context.abort(grpc.StatusCode.UNKNOWN, _MESSAGES[bad.code])
        try:
            taken = await (self._book(question) if question.happened else self._limiter.take(question.charges))
            return self._respond(question, taken)
        except Exception:  # an empty answer would be a pass; this is an error, and the operator's choice
            structlog.get_logger().exception("rate_limit_failed")
            self._metrics.descriptor_errors.add(1, "internal_error")
        await context.abort(grpc.StatusCode.INTERNAL, "internal error")
        raise AssertionError  # abort raises

    async def _book(self, question: Question) -> Taken:
        # Envoy reports the usage of a finished stream from a request that may be gone by the time it arrives here.
        task = asyncio.ensure_future(self._limiter.take(question.charges))
        self._bookings.add(task)
        task.add_done_callback(self._bookings.discard)
        return await asyncio.shield(task)

    def _question(self, payload: bytes) -> Question:
        questions = self._source.questions
        if questions is not self._compiled_by:
            self._compiled, self._compiled_by = {}, questions
        question = self._compiled.get(payload)
        if question is None:
            request = RateLimitRequest.FromString(payload)
            descriptors = [_descriptor(one) for one in request.descriptors]
            question = questions.compile(request.domain, descriptors, request.hits_addend)
            if len(payload) <= _LONGEST_QUESTION:
                if len(self._compiled) >= _MAX_QUESTIONS:
                    self._compiled.clear()
                self._compiled[payload] = question
        return question

    def _respond(self, question: Question, taken: Taken) -> bytes:
        settings = self._compiled_by.settings
        told = answers(question, taken)
        over = not taken.admitted
        response = RateLimitResponse(overall_code=_OVER if over else _OK)
        for row, answer in zip(question.rows, told, strict=True):
            _fill(response.statuses.add(), answer)
            self._count(row.label, answer)
        if over:
            wait = max((answer.reset_us for answer in told if answer.over), default=0)
            _add_header(response, "content-type", "application/json")
            _add_header(response, "retry-after", str(max(1, -(-wait // 1_000_000))))
            response.raw_body = _BODY
        if settings.headers != "off":
            _add_budget(response, told, "x-" if settings.headers == "x-ratelimit" else "")
        if settings.metadata:
            response.dynamic_metadata.update(metadata(question, told))
        return response.SerializeToString()

    def _count(self, label: str, answer: Answer) -> None:
        label = label or "none"
        if label not in self._labels:
            if len(self._labels) >= _MAX_LABELS:
                label = "other"
            self._labels.add(label)
        rule, worst = answer.rule, answer.worst
        if rule is None:
            outcome = "unmatched"
        elif worst is None:
            outcome = "unlimited"
        elif worst.over:
            outcome = "over" if answer.over else "shadow"
        elif worst.charge.hits < 0:
            outcome = "refund"
        else:
            outcome = "near" if worst.remaining * 5 < worst.charge.limit.burst else "within"
        self._metrics.descriptor_hits.add(1 if worst is None else abs(worst.charge.hits), label, outcome)


def _descriptor(message: RateLimitDescriptor) -> Descriptor:
    return Descriptor(
        tuple((entry.key, entry.value) for entry in message.entries),
        message.hits_addend.value if message.HasField("hits_addend") else None,
        message.is_negative_hits,
        (message.limit.requests_per_unit, _OVERRIDE_UNITS.get(message.limit.unit, ""))
        if message.HasField("limit")
        else None,
    )


def _fill(status: RateLimitResponse.DescriptorStatus, answer: Answer) -> None:
    status.code = _OVER if answer.over else _OK
    if answer.worst is None or answer.rule is None:
        status.limit_remaining = answer.remaining
        return
    limit = status.current_limit
    limit.requests_per_unit = answer.rule.requests_per_unit
    limit.unit = _UNITS[answer.rule.unit or "unknown"]
    if answer.rule.name:
        limit.name = answer.rule.name
    status.limit_remaining = min(answer.remaining, _MAX_UINT32)
    # Envoy reads the whole seconds only: a part of one has to count as one, or clients come back too early.
    status.duration_until_reset.seconds = -(-answer.reset_us // 1_000_000)


def _add_header(response: RateLimitResponse, name: str, value: str) -> None:
    response.response_headers_to_add.append(HeaderValue(key=name, value=value))


def _add_budget(response: RateLimitResponse, told: list[Answer], prefix: str) -> None:
    known = [answer for answer in told if answer.worst is not None]
    if not known:
        return
    tightest = min(known, key=lambda answer: answer.remaining)
    assert tightest.worst is not None
    _add_header(response, f"{prefix}ratelimit-limit", str(tightest.worst.charge.limit.burst))
    _add_header(response, f"{prefix}ratelimit-remaining", str(tightest.remaining))
    _add_header(response, f"{prefix}ratelimit-reset", str(-(-tightest.reset_us // 1_000_000)))

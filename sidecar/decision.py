"""The decision, and the only place where a Reason becomes a status, headers and a body."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

Headers = tuple[tuple[str, str], ...]


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


class ErrorStyle(StrEnum):
    """The shape of an error body: that of the API which the client called."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    PROBLEM = "problem"  # RFC 9457


@dataclass(frozen=True, slots=True)
class Deny:
    """A refusal. `code` is the precise, stable code for the operator; the client sees `reason` and `message`.

    `scope` are the scopes that would have been enough, `rules` the ids of the inspection rules that refused.
    """

    reason: Reason
    code: str
    message: str = ""
    scope: str = ""
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Allow:
    """The request may pass. `code` says on what ground, for the log: `ok`, or the code of a shadowed refusal."""

    code: str = "ok"

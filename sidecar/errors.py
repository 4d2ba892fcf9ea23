"""The whole failure taxonomy: every exception that Portcullis raises on purpose.

An expected refusal is a value (`decision.Deny`), not an exception. These are raised below `policy.py`, where a
function has no better value to return, and `policy.py` turns each into a `Deny`. `code` is stable, snake_case, and
the same in the log, the metric and the span; clients only ever see the coarse `decision.Reason`.
"""

from __future__ import annotations


class PortcullisError(Exception):
    """Base of all of them. `code` never holds anything that came from the caller."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class InvalidRequest(PortcullisError):
    """The request line or headers are ambiguous or malformed; the answer is 400."""


class InvalidCredential(PortcullisError):
    """The credential is of this authenticator's kind, and bad; the answer is 401 whatever the code says."""


class InvalidBody(PortcullisError):
    """The body can't be read as the API expects it; the answer is 400, or 413 / 415 as `code` says."""


class StoreUnavailable(PortcullisError):
    """Redis did not answer in time or answered with an error; the caller falls back as configured."""


class ConfigurationError(PortcullisError):
    """Configuration is refused. `source` is the file, `key` the dotted path in it, `fix` what to write instead."""

    def __init__(self, source: str, key: str, problem: str, fix: str = "") -> None:
        where = f"{source}: {key}" if key else source
        super().__init__("configuration_invalid", f"{where}: {problem}" + (f" ({fix})" if fix else ""))
        self.source, self.key, self.problem, self.fix = source, key, problem, fix

    def __str__(self) -> str:
        return self.detail


class TooManyFailures(InvalidCredential):
    """The address has shown too many wrong credentials; no lookup was made. `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("too_many_failures")
        self.retry_after = retry_after


class SealBroken(PortcullisError):
    """Sealed data can't be opened: the wrong master key, or damaged or exchanged data."""


class InvalidCommand(PortcullisError):
    """A command was asked for something that can't be done; `detail` says what and why, for the operator."""

    def __str__(self) -> str:
        return self.detail

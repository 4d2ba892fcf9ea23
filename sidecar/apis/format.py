"""What an LLM API format is: the contract between the policy and the readers of bodies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sidecar.decision import ErrorStyle
from sidecar.prompt import Prompt


class Read(Protocol):
    """Reads a body. `content_type` is the header's value, "" when it was absent; `model` is the one in the path."""

    def __call__(self, body: bytes, *, content_type: str, model: str | None) -> Prompt:
        """The prompt in `body`; raises InvalidBody on whatever the API would not accept."""


@dataclass(frozen=True, slots=True)
class ApiFormat:
    """One endpoint of an LLM API, as far as its clients can tell it apart.

    `name` is stable and goes to spans and metrics (`openai.chat`); `error_style` is the shape of a refusal. `model` is
    the model that the path names, for the APIs that have it there.
    """

    name: str
    error_style: ErrorStyle
    read: Read
    model: str | None = None

    def parse(self, body: bytes, content_type: str = "") -> Prompt:
        """What the model would read of `body`, which is already free of any content encoding. Raises InvalidBody."""
        return self.read(body, content_type=content_type, model=self.model)


Matcher = Callable[[str, str], ApiFormat | None]
"""(method, canonical path without escapes and without a slash at its end) -> the format, or None: not one of mine."""


def ends(path: str, *tails: str) -> bool:
    """Whether a path ends in one of `tails`, in whatever case."""
    return path.lower().endswith(tails)

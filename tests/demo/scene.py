"""What a scene of the demo is: something that is done, what must come of it, and what came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import httpx2

from tests.harness.gateway import Gateway, Pod

MODEL = "small-1"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What visitors of the demo use, and what the scenes misuse. All are made anew at each start."""

    key: str
    token: str
    expired_token: str
    reader_token: str
    trial_key: str
    shared_trial_key: str


class Stage:
    """Where scenes play: the gateway, the credentials, an OAuth server, and a count of what has been sent."""

    def __init__(self, gateway: Gateway, credentials: Credentials, oauth_issuer: str) -> None:
        self.gateway, self.credentials, self.oauth_issuer = gateway, credentials, oauth_issuer
        self.sent = 0
        self.admitted = 0

    def chat(
        self,
        credential: str = "",
        content: str = "What does a portcullis do?",
        *,
        model: str = MODEL,
        pod: Pod | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx2.Response:
        """Ask for a chat completion."""
        body = {"model": model, "messages": [{"role": "user", "content": content}]}
        return self.send("POST", "/v1/chat/completions", credential, pod=pod, headers=headers, json=body)

    def send(
        self,
        method: str,
        path: str,
        credential: str = "",
        *,
        pod: Pod | None = None,
        headers: dict[str, str] | None = None,
        **content: object,
    ) -> httpx2.Response:
        """One request through Envoy, with a bearer credential if there is one."""
        bearer = {"authorization": f"Bearer {credential}"} if credential else {}
        with (pod or self.gateway.pod).client() as client:
            response = client.request(method, path, headers={**bearer, **(headers or {})}, **content)  # type: ignore[arg-type]
        self.count(response.status_code)
        return response

    def count(self, status: int) -> None:
        """Keep account of one answered request."""
        self.sent += 1
        self.admitted += status == 200


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came: an HTTP status or a word, the reason that the client was told, and what is worth showing."""

    status: str
    reason: str = ""
    shown: str = ""
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """One line of the demo. It differs when status or reason are others, or when `play` names faults."""

    title: str
    status: str
    reason: str
    play: Callable[[Stage], Outcome]

    def faults(self, outcome: Outcome) -> tuple[str, ...]:
        """How the outcome differs from what was promised; nothing when it does not."""
        wrong = [
            f"{name} is {got or 'missing'}, not {promised or 'empty'}"
            for name, got, promised in (
                ("status", outcome.status, self.status),
                ("reason", outcome.reason, self.reason),
            )
            if got != promised
        ]
        return (*wrong, *outcome.faults)


def answered(response: httpx2.Response, shown: str = "", *faults: str) -> Outcome:
    """The outcome of one answer."""
    reason = response.headers.get("x-portcullis-reason", "")
    return Outcome(str(response.status_code), reason, shown, faults)


def message(response: httpx2.Response) -> str:
    """What the error says to people."""
    text: str = response.json().get("error", {}).get("message", "")
    return text

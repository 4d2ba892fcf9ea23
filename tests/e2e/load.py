"""Many clients at once, for tests in which something happens under load."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import httpx2

from tests.e2e.whole import CHAT, question
from tests.harness.gateway import Pod
from tests.harness.waiting import until


class Load:
    """Clients that ask one question after the other, from entering to leaving. `answers` counts by status.

    An answer that never came counts as the name of the exception.
    """

    def __init__(self, pods: Sequence[Pod], key: str, clients: int = 4) -> None:
        self.answers: Counter[str] = Counter()
        self._pods, self._key = pods, key
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(clients)]

    def count(self) -> int:
        """How many answers there have been."""
        with self._lock:
            return self.answers.total()

    def wait_for(self, more: int) -> None:
        """Return when `more` further answers have come."""
        goal = self.count() + more
        until(lambda: self.count() >= goal, f"{more} more answers", lambda: repr(self.answers))

    def _run(self, number: int) -> None:
        headers = {"authorization": f"Bearer {self._key}"}
        with self._pods[number % len(self._pods)].client() as client:
            while not self._ended.is_set():
                try:
                    status = str(client.post(CHAT, json=question(), headers=headers).status_code)
                except httpx2.HTTPError as error:
                    status = type(error).__name__
                with self._lock:
                    self.answers[status] += 1

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

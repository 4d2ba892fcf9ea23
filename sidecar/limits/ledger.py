"""Ledger: the buckets in Redis as an operator reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from sidecar.limits.descriptors import Descriptors
from sidecar.limits.keys import escape
from sidecar.limits.limit import Charge, Limit
from sidecar.limits.status import token_status, window_status
from sidecar.redis_connection import Connection

_KEY = re.compile(r"\{([^{}]*)\}:([^:]+):([bw])([0-9]+)(?::(.*))?\Z")
_DESCRIPTOR = re.compile(r"rl([0-9]{1,3})\Z")
_TOKENS = re.compile(r"([0-9]+):([0-9]+)((?:;[0-9]+:[0-9]+:[0-9]+)*)\Z")
_PAGE = 1000  # keys asked for at once: Redis goes on with other work in between


@dataclass(frozen=True, slots=True)
class Standing:
    """One bucket. `limit` is None when no limit of the configuration explains it; then only `full_in` is known.

    `remaining` and `leased` in units (leased: in replicas' hands), `full_in` in seconds.
    """

    bucket: str
    name: str
    values: tuple[str, ...]
    limit: Limit | None
    remaining: int
    leased: int
    full_in: float

    @property
    def taken(self) -> float:
        """The part of the burst that is gone, 0 to 1, more when in debt or leased out."""
        return 0.0 if self.limit is None else 1 - self.remaining / max(1, self.limit.burst)


class Ledger:
    """Reads and resets the buckets of an installation."""

    def __init__(self, connection: Connection, prefix: str, limits: Mapping[str, Limit], rules: Descriptors) -> None:
        self._client: Any = connection.client
        self._prefix, self._limits, self._rules = prefix, limits, rules
        self._start = f"{prefix}:b:"

    async def find(self, value: str = "") -> list[Standing]:
        """Every bucket that isn't full; with `value`, those of that principal, address, tenant, model, ..."""
        wanted = escape(value) if value else ""
        keys = []
        async for key in self._client.scan_iter(match=f"{self._start}*", count=_PAGE):
            name = key.decode("utf-8", "replace").removeprefix(self._start)
            if not wanted or wanted in _values(name):
                keys.append(name)
        now = await self._now()
        found = []
        for name in keys:
            text = await self._client.get(self._start + name)
            standing = None if text is None else self._read(name, text.decode("utf-8", "replace"), now)
            if standing is not None:
                found.append(standing)
        return found

    async def reset(self, bucket: str) -> bool:
        """Make a bucket full again, on every replica at once; False when it was."""
        gone = int(await self._client.execute_command("DEL", self._start + bucket))
        await self._client.execute_command("PUBLISH", f"{self._prefix}:returned", bucket)
        return gone > 0

    async def _now(self) -> int:
        reply = await self._client.execute_command("EVAL", "return redis.call('TIME')", 1, f"{self._start}time")
        return int(reply[0]) * 1_000_000 + int(reply[1])

    def _read(self, bucket: str, text: str, now: int) -> Standing | None:
        parts, state = _KEY.match(bucket), _TOKENS.match(text)
        if parts is None or state is None:
            return None
        slot, name, kind, _, values = parts.groups()
        limit = self._limit(slot, name, values or "")
        label = limit.name if limit is not None else name
        known = tuple(unquote(value) for value in (values or "").split(":"))
        first, second = int(state[1]), int(state[2])
        if limit is None:
            return Standing(bucket, label, known, None, 0, 0, max(0, first - now) / 1e6)
        charge = Charge(limit, bucket, 0)
        if kind == "w":
            status, leased = window_status(charge, now, first, second, over=False), 0
        else:
            out = [lease.split(":") for lease in state[3].split(";")[1:]]
            held = sum(int(us) * limit.ticks + int(part) for epoch, us, part in out if int(epoch) > now)
            ahead = max((first - now) * limit.ticks + second, held)
            status, leased = token_status(charge, ahead, over=False), held // limit.price
        return Standing(bucket, label, known, limit, status.remaining, leased, status.reset_us / 1e6)

    def _limit(self, slot: str, name: str, values: str) -> Limit | None:
        descriptor = _DESCRIPTOR.match(name)
        if descriptor is None or not slot.startswith("d."):
            return self._limits.get(name)
        domain = unquote(slot.removeprefix("d.").partition("/")[0])
        entries = [entry.partition("=") for entry in values.split(":")]
        match = self._rules.match(
            domain, [(unquote(key.removesuffix("*")), _plain(value)) for key, _, value in entries]
        )
        index = int(descriptor[1])
        return match.rule.limits[index] if match is not None and index < len(match.rule.limits) else None


def _plain(value: str) -> str:
    return "" if value == "%" else unquote(value)


def _values(bucket: str) -> Sequence[str]:
    """All values in a bucket's key: its slot's owner, and what it is keyed by."""
    slot, _, rest = bucket.removeprefix("{").partition("}:")
    owner = slot[2:] if slot[:2] in {"t.", "p."} else slot.partition("/")[2]
    return [owner, *(part.partition("=")[2] or part for part in rest.split(":")[2:])]

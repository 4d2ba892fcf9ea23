"""Buckets in Redis, shared by all replicas: one script call for everything that is asked at once."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from importlib.resources import files
from struct import Struct
from typing import Any, Protocol

from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,  # noqa: A004 - Redis's own
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TimeoutError,  # noqa: A004 - Redis's own
)

from sidecar.errors import StoreUnavailable
from sidecar.limits.limit import Charge, Limit, Taken
from sidecar.limits.order import Draw, Lease, Order, Outcome
from sidecar.limits.status import token_status, window_status

_SCRIPT = files("sidecar.limits").joinpath("take.lua").read_text(encoding="utf-8")
_SHA = hashlib.sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()
_CHARGE = Struct("<11d")
_DRAW = Struct("<7d")
_RUNG = Struct("<3d")

_ENFORCE, _SHADOW, _OVERDRAFT, _QUOTA, _SHADOW_OVERDRAFT = range(5)
_SHADOWED = (_SHADOW, _SHADOW, _SHADOW_OVERDRAFT, _SHADOW, _SHADOW_OVERDRAFT)

_CODES: tuple[tuple[type[Exception], str], ...] = (
    (TimeoutError, "store_timeout"),
    (BusyLoadingError, "store_loading"),
    (ReadOnlyError, "store_read_only"),
    (OutOfMemoryError, "store_out_of_memory"),
    (ClusterDownError, "store_cluster_down"),
    (ConnectionError, "store_connection"),
    (OSError, "store_connection"),
)


class ScriptClient(Protocol):
    """The one thing that the store needs of redis-py's clients, single or cluster."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send one command and return its decoded reply."""


def failure_code(error: Exception) -> str:
    """The stable code of an error of Redis or of the way to it."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), "store_error")


class Store(Protocol):
    """What answers orders."""

    def group(self, order: Order) -> Hashable:
        """Orders of one group may be taken together."""

    async def take(self, orders: Sequence[Order]) -> list[Outcome]:
        """All orders, each atomic; StoreUnavailable when they can't be answered."""


class RedisStore:
    """Takes orders to Redis. `prefix` is the start of every key of this installation."""

    def __init__(self, client: ScriptClient, prefix: str) -> None:
        self._client = client
        self._prefix = f"{prefix}:b:"

    def key(self, charge: Charge) -> str:
        """The key of a charge's bucket in Redis."""
        return self._prefix + charge.key

    def group(self, order: Order) -> Hashable:  # noqa: ARG002 - the store's interface
        """One node takes any orders together."""
        return None

    async def take(self, orders: Sequence[Order]) -> list[Outcome]:
        """All orders in one script call, each atomic; StoreUnavailable when Redis can't answer.

        In a cluster all keys of one call have to lie in one slot.
        """
        keys = [self.key(charge) for order in orders for charge in order.charges]
        blobs = [
            encode(charge, order.draws.get(index)) for order in orders for index, charge in enumerate(order.charges)
        ]
        sizes = b"".join([len(order.charges).to_bytes(2, "little") for order in orders])
        try:
            try:
                reply = await self._client.execute_command("EVALSHA", _SHA, len(keys), *keys, sizes, *blobs)
            except NoScriptError:  # a Redis that was restarted or has just become the primary
                reply = await self._client.execute_command("EVAL", _SCRIPT, len(keys), *keys, sizes, *blobs)
        except (RedisError, OSError) as error:
            raise StoreUnavailable(failure_code(error)) from error
        return _decode(orders, reply)


def _pair(limit: Limit, amount: int) -> tuple[int, int]:
    return divmod(amount, limit.ticks)


def encode(charge: Charge, draw: Draw | None = None) -> bytes:
    """One charge as the script reads it."""
    limit, hits = charge.limit, charge.hits
    mode = _OVERDRAFT if charge.overdraft else _QUOTA if charge.quota else _ENFORCE
    if limit.shadow:
        mode = _SHADOWED[mode]
    if limit.windowed:
        return _CHARGE.pack(1, mode, hits, limit.period_us, limit.capacity, limit.floor, 0, 0, 0, 0, 0)
    top = (-1, 0) if limit.capacity < 0 else _pair(limit, limit.capacity)
    # More than a whole bucket and its debt makes no difference, and would leave what a double holds exactly.
    most = max(limit.capacity, 0) + limit.floor + limit.price
    cost = _pair(limit, min(abs(hits) * limit.price, most))
    floor = _pair(limit, limit.floor)
    blob = _CHARGE.pack(0, mode, hits, limit.ticks, *cost, *top, *floor, 0 if draw is None else 1)
    if draw is None:
        return blob
    return b"".join(
        (
            blob,
            _DRAW.pack(
                draw.lease_us,
                draw.old_epoch,
                *_pair(limit, draw.old_units * limit.price),
                *_pair(limit, draw.unspent_units * limit.price),
                len(draw.rungs),
            ),
            *(_RUNG.pack(units, *_pair(limit, units * limit.price)) for units in draw.rungs),
        )
    )


def _decode(orders: Sequence[Order], reply: Sequence[int]) -> list[Outcome]:
    now, at = reply[0], 1
    outcomes = []
    for order in orders:
        admitted, at = bool(reply[at]), at + 1
        statuses, leases = [], {}
        for index, charge in enumerate(order.charges):
            value, part, over, units, epoch = reply[at : at + 5]
            at += 5
            limit = charge.limit
            if limit.windowed:
                statuses.append(window_status(charge, now, value, part, bool(over)))
            else:
                statuses.append(token_status(charge, (value - now) * limit.ticks + part, bool(over)))
            if units:
                leases[index] = Lease(units, epoch)
        outcomes.append(Outcome(Taken(admitted, tuple(statuses)), now, leases))
    return outcomes

"""`portcullis limits`: what a caller has left, the busiest buckets, and giving one back."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from sidecar.errors import ConfigurationError, StoreUnavailable

if TYPE_CHECKING:
    from sidecar.limits.ledger import Ledger, Standing

    _Action = Callable[[argparse.Namespace, Ledger], Awaitable[int]]


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its actions."""
    parser = commands.add_parser("limits", help="show buckets in Redis, and give them back")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    show = actions.add_parser("show", help="what somebody has left")
    show.add_argument("value", metavar="VALUE", help="a principal's budget, an address, a tenant, a model, ...")
    top = actions.add_parser("top", help="the buckets of which most is gone")
    top.add_argument("-n", type=int, default=20, metavar="COUNT", help="how many (20)")
    reset = actions.add_parser("reset", help="make a bucket full again")
    reset.add_argument("bucket", metavar="BUCKET", help="as `show` and `top` print it")
    for action in (show, top, reset):
        action.add_argument("--config", type=Path, required=True, metavar="FILE", help="the YAML configuration")
        action.add_argument("--json", action="store_true", help="JSON instead of a table")
    show.set_defaults(run=lambda options: _run(options, _show))
    top.set_defaults(run=lambda options: _run(options, _top))
    reset.set_defaults(run=lambda options: _run(options, _reset))


def _run(options: argparse.Namespace, action: _Action) -> int:
    from sidecar import config, limits  # noqa: PLC0415 - see serve
    from sidecar.limits.ledger import Ledger  # noqa: PLC0415
    from sidecar.redis_connection import Connection  # noqa: PLC0415

    settings = config.load(options.config)
    redis = settings.redis
    if redis is None:
        raise ConfigurationError(
            str(options.config), "redis", "is missing", "buckets in memory can't be seen from here"
        )
    plans = {name: plan.limits for name, plan in settings.plans.items()}
    layers = limits.compile_layers(settings.limits, plans)
    rules = limits.read_descriptors(settings.ratelimit)

    async def run() -> int:
        connection = Connection(redis)
        try:
            return await action(options, Ledger(connection, redis.prefix, layers.limits, rules))
        except (RedisError, OSError) as fault:
            raise StoreUnavailable("store_unavailable", type(fault).__name__) from fault
        finally:
            await connection.close()

    return asyncio.run(run())


async def _show(options: argparse.Namespace, ledger: Ledger) -> int:
    found = await ledger.find(options.value)
    _print(sorted(found, key=lambda one: one.bucket), options.json)
    if not found and not options.json:
        print(f"{options.value}: every bucket is full", file=sys.stderr)
    return 0


async def _top(options: argparse.Namespace, ledger: Ledger) -> int:
    found = await ledger.find()
    found.sort(key=lambda one: (-one.taken, one.bucket))
    _print(found[: max(0, options.n)], options.json)
    return 0


async def _reset(options: argparse.Namespace, ledger: Ledger) -> int:
    reset = await ledger.reset(options.bucket)
    if options.json:
        print(json.dumps({"bucket": options.bucket, "reset": reset}))
    else:
        print(f"{options.bucket}: {'full again' if reset else 'was full'}")
    return 0


def _print(found: Sequence[Standing], as_json: bool) -> None:
    if as_json:
        print(json.dumps([_record(one) for one in found], indent=2))
        return
    rows = [("LIMIT", "LEFT", "OF", "LEASED", "FULL IN", "BUCKET")]
    rows += [
        (
            one.name,
            str(one.remaining) if one.limit else "?",
            str(one.limit.burst) if one.limit else "?",
            str(one.leased or "-"),
            _duration(one.full_in),
            one.bucket,
        )
        for one in found
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _record(one: Standing) -> dict[str, object]:
    return {
        "bucket": one.bucket,
        "limit": one.name,
        "values": list(one.values),
        "remaining": one.remaining if one.limit else None,
        "burst": one.limit.burst if one.limit else None,
        "leased": one.leased,
        "full_in_seconds": round(one.full_in, 3),
    }


def _duration(seconds: float) -> str:
    for name, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f}{name}"
    return f"{seconds:.1f}s"

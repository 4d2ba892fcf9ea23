"""`portcullis jwts`: end JWTs before they expire."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sidecar.errors import ConfigurationError, InvalidCommand

if TYPE_CHECKING:
    from sidecar.authentication.revoked_jwts import RevokedJwts
    from sidecar.config import Config


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its actions."""
    parser = commands.add_parser("jwts", help="end JWTs before they expire")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    revoke = actions.add_parser("revoke", help="refuse one JWT, or all that a subject holds now, on every replica")
    revoke.add_argument("--issuer", required=True, help="the iss claim")
    what = revoke.add_mutually_exclusive_group(required=True)
    what.add_argument("--jti", help="the jti claim of one JWT")
    what.add_argument("--subject", help="the sub claim; JWTs issued from now on are accepted again")
    listing = actions.add_parser("list", help="list what is refused")
    for action in (revoke, listing):
        action.add_argument("--config", type=Path, required=True, metavar="FILE", help="the YAML configuration")
        action.add_argument("--json", action="store_true", help="print JSON")
        action.set_defaults(run=_run, action=action.prog.rsplit(" ", 1)[-1])


def _run(options: argparse.Namespace) -> int:
    return asyncio.run(_revoke_or_list(options))


async def _revoke_or_list(options: argparse.Namespace) -> int:
    from sidecar.authentication.revoked_jwts import RevokedJwts  # noqa: PLC0415 - slow to import
    from sidecar.config import load  # noqa: PLC0415
    from sidecar.redis_connection import connect  # noqa: PLC0415

    config = load(options.config)
    if config.redis is None:
        raise ConfigurationError(str(options.config), "redis", "is missing", "the list of revoked JWTs is kept there")
    revoked = RevokedJwts(connect(config.redis), config.redis.prefix)
    try:
        if options.action == "revoke":
            await _revoke(revoked, config, options)
        else:
            await _list(revoked, options)
    finally:
        await revoked.stop()
    return 0


async def _revoke(revoked: RevokedJwts, config: Config, options: argparse.Namespace) -> None:
    from sidecar.authentication.revoked_jwts import Revocation  # noqa: PLC0415

    lifetimes = {entry.issuer: entry.max_lifetime + 2 * entry.leeway for entry in config.authentication.jwt}
    if options.issuer not in lifetimes:
        raise InvalidCommand(
            "issuer_unknown", f"no issuer {options.issuer!r} (known: {', '.join(lifetimes) or 'none'})"
        )
    now = int(time.time())
    entry = Revocation(
        issuer=options.issuer,
        jti=options.jti or "",
        subject=options.subject or "",
        issued_until=now if options.subject else 0,
        until=int(now + lifetimes[options.issuer]) + 1,
    )
    await revoked.revoke(entry)
    what = f"jti {entry.jti}" if entry.jti else f"subject {entry.subject}"
    print(json.dumps(asdict(entry)) if options.json else f"revoked {what} of {entry.issuer}")


async def _list(revoked: RevokedJwts, options: argparse.Namespace) -> None:
    for entry in await revoked.all():
        until = datetime.fromtimestamp(entry.until, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        what = f"jti {entry.jti}" if entry.jti else f"subject {entry.subject}"
        print(json.dumps(asdict(entry)) if options.json else f"{entry.issuer}  {what}  until {until}")

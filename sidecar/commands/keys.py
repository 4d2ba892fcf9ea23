"""`portcullis keys`: make, list, end and rotate API keys."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sidecar.errors import ConfigurationError, InvalidCommand
from sidecar.settings import parse_duration

if TYPE_CHECKING:
    from sidecar.authentication.api_keys import KeyAdministration, KeyRecord, KeyRequest, Keyring
    from sidecar.config import Config

_HIDDEN = ("mac", "pepper")
_DAY = 86400.0


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its actions."""
    parser = commands.add_parser("keys", help="make, list, end and rotate API keys")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    _describe(_action(actions, "create", _create, "make a key; it is shown once"))
    _describe(_action(actions, "import", _import, "accept a key made elsewhere, read from standard input"))
    listing = _action(actions, "list", _list, "list keys")
    listing.add_argument("--tenant", help="only this tenant's")
    listing.add_argument("--owner", help="only this owner's")
    listing.add_argument("--active", action="store_true", help="only those that work now")
    show = _action(actions, "show", _show, "show one key")
    revoke = _action(actions, "revoke", _revoke, "end a key now, on every replica")
    rotate = _action(actions, "rotate", _rotate, "make a successor with the same rights and budget; it is shown once")
    rotate.add_argument("--overlap", type=_seconds, default=_DAY, help="how long the old key goes on (24h; 0s ends it)")
    rotate.add_argument("--expires", type=_moment, metavar="WHEN", help="by default the old key's lifetime again")
    for action in (show, revoke, rotate):
        action.add_argument("key_id", metavar="KEY_ID", help="the part between env and secret; never the whole key")
    _action(actions, "rewrap", _rewrap, "wrap the store's keys under the newest master key")
    _action(actions, "new-pepper", _new_pepper, "hash keys to come under a new pepper")
    shred = _action(actions, "shred", _shred, "destroy a tenant's data key: its records can never be read again")
    shred.add_argument("--tenant", required=True)
    shred.add_argument("--yes", action="store_true", help="really do it")


def _describe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--env", default="", help="environment of the key; by default the first of the configuration")
    for name, text in (("name", "what it is for"), ("owner", "who answers for it"), ("tenant", ""), ("plan", "")):
        parser.add_argument(f"--{name}", default="", help=text)
    parser.add_argument("--scope", action="append", default=[], help="llm:read, llm:write, ...; may be repeated")
    parser.add_argument("--model", action="append", help="glob pattern; may be repeated; by default the plan's")
    parser.add_argument("--address", action="append", default=[], help="network that may use it; may be repeated")
    parser.add_argument("--metadata", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--not-before", type=_moment, metavar="WHEN", help="2027-01-31, a date with time, or 7d")
    parser.add_argument("--expires", type=_moment, metavar="WHEN", help="2027-01-31, a date with time, or 90d")


Run = Callable[["_Tools", argparse.Namespace], Awaitable[int]]


class _Tools:
    """What an action works with."""

    def __init__(self, config: Config, keys: KeyAdministration, keyring: Keyring) -> None:
        self.config, self.keys, self.keyring = config, keys, keyring


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, run: Run, text: str
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text, description=text)
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the YAML configuration")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=lambda options: asyncio.run(_with_tools(run, options)))
    return parser


async def _with_tools(run: Run, options: argparse.Namespace) -> int:
    from sidecar.authentication.api_keys import KeyAdministration, open_store  # noqa: PLC0415 - slow to import
    from sidecar.config import load  # noqa: PLC0415

    config = load(options.config)
    settings = config.authentication.api_keys
    if settings is None:
        raise ConfigurationError(str(options.config), "authentication.api_keys", "is missing", "add {store: redis}")
    store, keyring = open_store(settings, config.redis)
    try:
        await keyring.load()
        return await run(_Tools(config, KeyAdministration(store, keyring), keyring), options)
    finally:
        await keyring.close()


def _request(tools: _Tools, options: argparse.Namespace) -> KeyRequest:
    from sidecar.authentication.api_keys import KeyRequest  # noqa: PLC0415

    settings = tools.config.authentication.api_keys
    assert settings is not None
    if options.plan and options.plan not in tools.config.plans:
        known = ", ".join(tools.config.plans) or "none"
        raise InvalidCommand("plan_unknown", f"there is no plan {options.plan!r} (known: {known})")
    environment = options.env or settings.environments[0]
    if environment not in settings.environments:
        raise InvalidCommand("environment", f"this gateway takes keys of {', '.join(settings.environments)} only")
    return KeyRequest(
        environment=environment,
        name=options.name,
        owner=options.owner,
        tenant=options.tenant,
        plan=options.plan,
        scopes=tuple(dict.fromkeys(options.scope)),
        models=None if options.model is None else tuple(options.model),
        addresses=tuple(options.address),
        metadata=_pairs(options.metadata),
        not_before=options.not_before,
        expires_at=options.expires,
    )


async def _create(tools: _Tools, options: argparse.Namespace) -> int:
    record, text = await tools.keys.create(_request(tools, options))
    _print_new(record, text, options)
    return 0


async def _import(tools: _Tools, options: argparse.Namespace) -> int:
    settings = tools.config.authentication.api_keys
    if settings is None or not settings.imported:
        raise ConfigurationError(str(options.config), "authentication.api_keys.imported", "is off", "set it to true")
    text = sys.stdin.readline().strip()  # never an argument: those show in process lists and histories
    record = await tools.keys.import_key(_request(tools, options), text)
    print(json.dumps(_public(record, {})) if options.json else f"imported as {record.id}")
    return 0


async def _rotate(tools: _Tools, options: argparse.Namespace) -> int:
    record, text = await tools.keys.rotate(options.key_id, options.overlap, options.expires)
    _print_new(record, text, options)
    if not options.json:
        old = await tools.keys.get(options.key_id)
        print(f"old key {old.id} works until {_when(old.revoked_at or old.expires_at)}", file=sys.stderr)
    return 0


async def _list(tools: _Tools, options: argparse.Namespace) -> int:
    now = time.time()
    records = [
        record
        async for record in tools.keys.all()
        if options.tenant in (None, record.tenant)
        and options.owner in (None, record.owner)
        and (not options.active or record.state(now) == "active")
    ]
    records.sort(key=lambda record: (record.created_at, record.id))
    used = await tools.keys.last_used(tuple(record.id for record in records))
    if options.json:
        for record in records:
            print(json.dumps(_public(record, used)))
        return 0
    header = ("KEY ID", "ENV", "STATE", "TENANT", "PLAN", "SCOPES", "EXPIRES", "LAST USED", "NAME")
    rows = [
        (
            record.id,
            record.environment,
            str(record.state(now)),
            record.tenant or "-",
            record.plan or "-",
            " ".join(record.scopes) or "-",
            _when(record.expires_at),
            _when(used.get(record.id)),
            record.name or "-",
        )
        for record in records
    ]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    for row in (header, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


async def _show(tools: _Tools, options: argparse.Namespace) -> int:
    record = await tools.keys.get(options.key_id)
    used = await tools.keys.last_used((record.id,))
    public = _public(record, used)
    if options.json:
        print(json.dumps(public))
        return 0
    for name, value in public.items():
        if name.endswith("_at") or name in {"not_before", "last_used"}:
            shown = _when(value)
        elif isinstance(value, list | tuple):
            shown = " ".join(value) or "-"
        elif isinstance(value, dict):
            shown = " ".join(f"{key}={item}" for key, item in value.items()) or "-"
        else:
            shown = str(value) if value not in (None, "") else "-"
        print(f"{name:<12} {shown}")
    return 0


async def _revoke(tools: _Tools, options: argparse.Namespace) -> int:
    record = await tools.keys.revoke(options.key_id)
    print(json.dumps(_public(record, {})) if options.json else f"revoked {record.id} at {_when(record.revoked_at)}")
    return 0


async def _rewrap(tools: _Tools, options: argparse.Namespace) -> int:
    done, known = await tools.keyring.rewrap()
    print(json.dumps({"rewrapped": done, "keys": known}) if options.json else f"rewrapped {done} of {known} keys")
    return 0


async def _new_pepper(tools: _Tools, options: argparse.Namespace) -> int:
    pepper = await tools.keyring.add_pepper()
    print(json.dumps({"pepper": pepper}) if options.json else f"new keys are hashed under {pepper}")
    return 0


async def _shred(tools: _Tools, options: argparse.Namespace) -> int:
    if not options.yes:
        raise InvalidCommand("not_confirmed", f"this ends every key of tenant {options.tenant!r} for ever; add --yes")
    count = await tools.keyring.shred(options.tenant)
    print(json.dumps({"destroyed": count}) if options.json else f"destroyed {count} data keys")
    return 0


def _print_new(record: KeyRecord, text: str, options: argparse.Namespace) -> None:
    """The key itself goes to standard output alone, so that it can be piped to where it belongs."""
    if options.json:
        print(json.dumps({"key": text, **_public(record, {})}))
        return
    print(text)
    print(f"key id {record.id}, ends {_when(record.expires_at)}; this is the only time it is shown", file=sys.stderr)


def _public(record: KeyRecord, used: dict[str, int]) -> dict[str, Any]:
    shown = {name: value for name, value in asdict(record).items() if name not in _HIDDEN}
    return {**shown, "state": str(record.state(time.time())), "last_used": used.get(record.id)}


def _when(moment: int | None) -> str:
    return "-" if moment is None else datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _seconds(value: str) -> float:
    try:
        seconds = parse_duration(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    assert isinstance(seconds, float)
    return seconds


def _moment(value: str) -> int:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return int(time.time() + _seconds(value))
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _pairs(values: list[str]) -> dict[str, str]:
    pairs = dict(value.partition("=")[::2] for value in values)
    if any("=" not in value for value in values) or len(pairs) != len(values):
        raise InvalidCommand("invalid_metadata", "write --metadata NAME=VALUE, each name once")
    return pairs

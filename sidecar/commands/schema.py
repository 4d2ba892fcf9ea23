"""`portcullis schema`: print the JSON Schema of the configuration, for editors."""

from __future__ import annotations

import argparse
import json


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("schema", help="print the JSON Schema of the configuration")
    parser.set_defaults(run=_run)


def _run(_: argparse.Namespace) -> int:
    from sidecar import config  # noqa: PLC0415 - see serve

    print(json.dumps(config.schema(), indent=2))
    return 0

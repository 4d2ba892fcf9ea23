"""`portcullis serve`: answer Envoy until SIGTERM."""

from __future__ import annotations

import argparse
from pathlib import Path


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("serve", help="answer Envoy until SIGTERM")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the YAML configuration")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from sidecar import server  # noqa: PLC0415 - gRPC and OpenTelemetry load only where they serve

    server.run(options.config)
    return 0

"""`portcullis check-config`: say whether `serve` would accept a configuration."""

from __future__ import annotations

import argparse
from pathlib import Path


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("check-config", help="validate a configuration with everything it names")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the YAML configuration")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from sidecar import assembly, config, limits  # noqa: PLC0415 - see serve
    from sidecar.metrics import Metrics  # noqa: PLC0415

    settings, metrics = config.load(options.config), Metrics()
    assembly.assemble(settings, limits.open_limiter(settings.buckets, None, metrics), metrics)
    print(f"{options.config}: valid")
    return 0

"""The command line: `portcullis COMMAND`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import sidecar
from sidecar.commands import check_config, explain, inspect, jwts, keys, limits, schema, serve
from sidecar.errors import PortcullisError

_COMMANDS = (serve, check_config, schema, keys, jwts, limits, inspect, explain)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status. 2 for a refused configuration or wrong arguments."""
    parser = argparse.ArgumentParser(prog="portcullis", description=sidecar.__doc__)
    parser.add_argument("--version", action="version", version=f"portcullis {sidecar.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.register(commands)
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
    except PortcullisError as fault:
        print(f"portcullis: {fault}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    return status


if __name__ == "__main__":
    sys.exit(main())

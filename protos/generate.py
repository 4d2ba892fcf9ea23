"""Generates `sidecar/_pb/` from the protocol files beside this script.

`protos/generate.py` writes the folder; `--check` exits 1 when what is there differs from what would be written.

The compiler sees `protos/` as if it lay at `sidecar/_pb/`. Imports in the generated code therefore name
`sidecar._pb`, and no top-level package called `envoy` comes into being. Files register in protobuf's global pool
as `sidecar/_pb/*.proto`, a name nobody else uses. Message names are Envoy's own, as the wire demands of services, so
a process that also imports another package with Envoy's messages (`xds-protos`) fails with a duplicate symbol.

ext_proc becomes `processing.proto`, beside `authorization.proto`.
"""

from __future__ import annotations

import argparse
import importlib.resources
import os
import re
import sys
import sysconfig
import tempfile
from pathlib import Path

import google.rpc.status_pb2
from grpc_tools import protoc

SOURCES = Path(__file__).resolve().parent
ROOT = SOURCES.parent
PACKAGE = "sidecar/_pb"
INIT = '"""Generated from protos/ by protos/generate.py: never edited."""\n'


class GenerationFailed(Exception):
    """The protocol compiler refused a file; its message is on standard error."""


def generate(target: Path) -> dict[str, str]:
    """Compiles every protocol file, using `target` as scratch space, and returns file name -> text."""
    search = os.pathsep.join((sysconfig.get_path("scripts"), os.environ.get("PATH", "")))
    os.environ["PATH"] = search  # protoc looks for the mypy plugins there, also without an activated environment
    files = {f"{PACKAGE}/{path.name}": path.read_text() for path in sorted(SOURCES.glob("*.proto"))}
    services = [name for name, text in files.items() if re.search("^service ", text, re.MULTILINE)]
    with importlib.resources.as_file(importlib.resources.files("grpc_tools") / "_proto") as well_known:
        include = [
            f"--proto_path={PACKAGE}={SOURCES}",
            f"--proto_path={well_known}",
            f"--proto_path={Path(google.rpc.status_pb2.__file__).parents[2]}",
        ]
        for arguments in (
            [*include, f"--python_out={target}", f"--mypy_out=quiet:{target}", *files],
            [*include, f"--grpc_python_out={target}", f"--mypy_grpc_out=quiet:{target}", *services],
        ):
            if protoc.main(["protoc", *arguments]) != 0:
                raise GenerationFailed(str(SOURCES))
    return {"__init__.py": INIT} | {path.name: path.read_text() for path in (target / PACKAGE).iterdir()}


def current(folder: Path) -> dict[str, str]:
    """What is there now: file name -> text."""
    return {path.name: path.read_text() for path in folder.glob("*.py*") if path.is_file()}


def main(arguments: list[str]) -> int:
    """Writes or checks the generated code. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Generate sidecar/_pb from protos/.")
    parser.add_argument("--check", action="store_true", help="only say whether the generated code is current")
    options = parser.parse_args(arguments)
    folder = ROOT / PACKAGE
    try:
        with tempfile.TemporaryDirectory() as scratch:
            wanted = generate(Path(scratch))
    except GenerationFailed:
        return 1
    found = current(folder)
    differing = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if options.check:
        if differing:
            print(f"{PACKAGE} is out of date ({', '.join(differing)}); run: make protos", file=sys.stderr)
        return 1 if differing else 0
    folder.mkdir(exist_ok=True)
    for name in differing:
        if name in wanted:
            (folder / name).write_text(wanted[name])
        else:
            (folder / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The gRPC server's transport: the native one in Rust where it can serve, grpcio elsewhere."""

from __future__ import annotations

import os
import socket
import stat
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import grpc

from sidecar.errors import ConfigurationError


def create(choice: str, max_message_bytes: int) -> tuple[grpc.aio.Server, str]:
    """A server without ports and the name of its transport (`native` or `grpcio`).

    Raises ConfigurationError when `native` is demanded and not installed.
    """
    options = [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.so_reuseport", 0),
    ]
    installed = find_spec("pygrpc_native") is not None
    if choice == "native" and not installed:
        raise ConfigurationError(
            "server", "transport", "`native` is not installed", "install portcullis[native] or write `auto`"
        )
    if choice != "grpcio" and installed:
        server: grpc.aio.Server = import_module("pygrpc_native.aio").server(options=options)
        return server, "native"
    return grpc.aio.server(options=options), "grpcio"


def prepare_socket(listen: str) -> None:
    """Remove a socket file that a dead process left behind.

    Raises ConfigurationError when the path is no socket, when somebody still listens there, or when its folder is
    missing or not writable.
    """
    if not listen.startswith("unix:"):
        return
    path = Path(listen.removeprefix("unix:"))
    if not os.access(path.parent, os.W_OK):
        problem = "is not writable" if path.parent.is_dir() else "does not exist"
        raise ConfigurationError("server", "listen", f"the folder {path.parent} {problem}", "create it, or mount it")
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigurationError("server", "listen", f"{path} exists and is not a socket", "name another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError:
            pass
    raise ConfigurationError("server", "listen", f"another process listens on {path}", "stop it, or name another path")


def restrict_socket(listen: str) -> None:
    """Let only the owner and the group of the folder connect: whoever reaches the socket can ask about any caller."""
    if listen.startswith("unix:"):
        Path(listen.removeprefix("unix:")).chmod(0o660)

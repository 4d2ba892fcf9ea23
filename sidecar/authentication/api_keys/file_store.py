"""API keys in a YAML keyring file."""

from __future__ import annotations

import asyncio
import fcntl
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import structlog
import yaml

from sidecar.authentication.api_keys.store import Changed, Slot
from sidecar.errors import ConfigurationError, StoreUnavailable
from sidecar.yaml_loader import read_yaml

_log = structlog.get_logger()
_POLL_SECONDS = 0.5
_HEADER = "# Keyring of Portcullis; written by `portcullis keys`. Sealed: without the master key it opens nothing.\n"


@dataclass(frozen=True, slots=True)
class _Content:
    version: int = 1
    slots: tuple[Slot, ...] = ()
    keys: dict[str, str] = field(default_factory=dict)


class FileKeyStore:
    """One file, read whole and reread when it changes, also when Kubernetes swaps the link that leads to it.

    Commands write it under a lock, to a new file that takes its place. When it was last used is not kept: the serving
    side never writes. Raises ConfigurationError at construction when the file is there and damaged.
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        self._content, self._stamp = self._read(), self._stat()
        self.confirmed_at = time.monotonic()

    async def get(self, key_id: str) -> bytes | None:
        """See KeyStore."""
        sealed = self._content.keys.get(key_id)
        return None if sealed is None else sealed.encode()

    async def replace(self, key_id: str, new: bytes | None, expected: bytes | None) -> bool:
        """See KeyStore."""

        def change(content: _Content) -> _Content | None:
            now = content.keys.get(key_id)
            if now != (None if expected is None else expected.decode()):
                return None
            keys = {other: sealed for other, sealed in content.keys.items() if other != key_id}
            if new is not None:
                keys[key_id] = new.decode()
            return _Content(1, content.slots, keys)

        return await asyncio.to_thread(self._write, change)

    async def ids(self) -> AsyncIterator[str]:
        """See KeyStore."""
        for key_id in tuple(self._content.keys):
            yield key_id

    async def slots(self) -> tuple[Slot, ...]:
        """See KeyStore."""
        return self._content.slots

    async def add_slot(self, slot: Slot) -> bool:
        """See KeyStore."""

        def change(content: _Content) -> _Content | None:
            if any(other.id == slot.id for other in content.slots):
                return None
            return _Content(1, (*content.slots, slot), content.keys)

        return await asyncio.to_thread(self._write, change)

    async def replace_slot(self, slot: Slot) -> None:
        """See KeyStore."""

        def change(content: _Content) -> _Content:
            return _Content(1, tuple(slot if old.id == slot.id else old for old in content.slots), content.keys)

        await asyncio.to_thread(self._write, change)

    async def remove_slot(self, slot_id: str) -> None:
        """See KeyStore."""

        def change(content: _Content) -> _Content:
            return _Content(1, tuple(old for old in content.slots if old.id != slot_id), content.keys)

        await asyncio.to_thread(self._write, change)

    async def touch(self, used: Mapping[str, int]) -> None:
        """See KeyStore; a file does not keep it."""

    async def last_used(self, key_ids: tuple[str, ...]) -> dict[str, int]:  # noqa: ARG002 - the protocol's argument
        """See KeyStore; a file does not keep it."""
        return {}

    async def watch(self, changed: Changed) -> None:
        """See KeyStore. A damaged file changes nothing: the last good one stays in force."""
        while True:
            asked = time.monotonic()
            stamp = await asyncio.to_thread(self._stat)
            if stamp != self._stamp:
                try:
                    content = await asyncio.to_thread(self._read)
                except ConfigurationError as error:
                    _log.error("keyring_damaged", file=error.source, problem=error.problem)
                else:
                    self._content = content
                    changed(None)
                self._stamp = stamp
            self.confirmed_at = asked
            await asyncio.sleep(_POLL_SECONDS)

    async def close(self) -> None:
        """See KeyStore."""

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _read(self) -> _Content:
        if not self._path.exists():
            return _Content()
        document = read_yaml(self._path)
        try:
            content = msgspec.convert(document, _Content)
        except msgspec.ValidationError as error:
            raise ConfigurationError(self.name, "", f"is no keyring: {error}", "restore it from a copy") from error
        if content.version != 1:
            raise ConfigurationError(self.name, "version", f"is {content.version}, but only 1 is known")
        return content

    def _write(self, change: Callable[[_Content], _Content | None]) -> bool:
        try:
            with self._locked():
                found = self._read()
                changed = change(found)
                if changed is not None:
                    self._replace_file(changed)
        except OSError as error:
            raise StoreUnavailable("keyring_not_writable", f"{self.name}: {error.strerror}") from error
        self._content, self._stamp = changed or found, self._stat()
        return changed is not None

    @contextmanager
    def _locked(self) -> Any:
        with Path(f"{self._path}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _replace_file(self, content: _Content) -> None:
        text = _HEADER + yaml.safe_dump(msgspec.to_builtins(content), sort_keys=False, width=2**20)
        handle, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self._path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

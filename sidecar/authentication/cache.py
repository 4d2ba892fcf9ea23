"""A bounded memory of answers."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Cache(Generic[K, V]):
    """The least recently used entry leaves when a new one finds no room. Not for several threads."""

    __slots__ = ("_entries", "_most")

    def __init__(self, entries: int) -> None:
        self._most = entries
        self._entries: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """The entry, now the most recently used one; None when there is none."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: K, value: V) -> V | None:
        """Remember `value`; returns the one that had to leave for it."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._most:
            return self._entries.popitem(last=False)[1]
        return None

    def discard(self, key: K) -> None:
        """Forget the entry, if there is one."""
        self._entries.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()

"""What every settings model shares: strictness, and the spellings of durations and sizes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationInfo

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(us|ms|s|m|h|d)\Z")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"([0-9]+)(B|KiB|MiB|GiB)?\Z")
_BYTES = {None: 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


class Settings(BaseModel):
    """Base of every settings model: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def parse_duration(value: object) -> object:
    """`250ms`, `15s`, `10m`, `1.5h`, `7d` -> seconds; a plain number is seconds already."""
    if isinstance(value, str):
        match = _DURATION.match(value)
        if not match:
            raise ValueError(f"{value!r} is not a duration; write 250ms, 15s, 10m, 12h or 7d")
        return float(match[1]) * _SECONDS[match[2]]
    return value


def parse_size(value: object) -> object:
    """`64KiB`, `1MiB` -> bytes; a plain number is bytes already."""
    if isinstance(value, str):
        match = _SIZE.match(value)
        if not match:
            raise ValueError(f"{value!r} is not a size; write 262144, 64KiB or 1MiB")
        return int(match[1]) * _BYTES[match[2]]
    return value


Duration = Annotated[float, BeforeValidator(parse_duration)]
"""Seconds, written as `250ms`, `15s`, `10m`, `12h`, `7d` or a plain number."""

ByteSize = Annotated[int, BeforeValidator(parse_size)]
"""Bytes, written as `64KiB`, `1MiB` or a plain number."""


def resolve_path(value: Path, info: ValidationInfo) -> Path:
    """Read a relative path as relative to the file that names it."""
    base = (info.context or {}).get("folder")
    return value if base is None else Path(base) / value


LocalPath = Annotated[Path, AfterValidator(resolve_path)]
"""A path; a relative one starts at the folder of the configuration file."""

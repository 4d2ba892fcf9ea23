"""Settings of how bodies are read."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sidecar.settings import ByteSize, Settings


class BodySettings(Settings):
    """What a request's body may be before anybody reads it."""

    max_bytes: ByteSize = Field(
        default=1 << 20, gt=0, description="Largest body as sent. Keep it at Envoy's buffer limit."
    )
    encodings: tuple[Literal["gzip", "deflate", "br", "zstd"], ...] = Field(
        default=(),
        description="Content encodings that are unpacked for inspection. Others are refused with 415. Name one only if "
        "the upstream reads it too.",
    )
    max_unpacked_bytes: ByteSize = Field(
        default=4 << 20,
        gt=0,
        description="Largest body after unpacking; unpacking stops there and the request is refused.",
    )

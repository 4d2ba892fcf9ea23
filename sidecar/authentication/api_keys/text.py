"""The text of an API key: `pcl_<env>_<key id>_<secret>_<checksum>`."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from zlib import crc32

PREFIX = "pcl_"
LONGEST = 96
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KEY = re.compile(r"pcl_([a-z][a-z0-9]{0,15})_([0-9A-Za-z]{12})_[0-9A-Za-z]{43}_([0-9A-Za-z]{6})\Z")


@dataclass(frozen=True, slots=True)
class KeyText:
    """The public parts of a key. The secret stays in the text itself."""

    environment: str
    key_id: str


def base62(number: int, width: int) -> str:
    """`number` in base 62, padded with zeros to `width` digits."""
    digits = []
    while number:
        number, rest = divmod(number, 62)
        digits.append(_DIGITS[rest])
    return "".join(reversed(digits)).rjust(width, "0")


def checksum(body: str) -> str:
    """Six digits that tell a mistyped key from a wrong one (CRC-32). They are public and prove nothing."""
    return base62(crc32(body.encode()), 6)


def generate(environment: str) -> tuple[str, str]:
    """A new key: (key id, text). The secret has 256 random bits, the key id 71."""
    key_id = base62(secrets.randbelow(62**12), 12)
    body = f"{PREFIX}{environment}_{key_id}_{base62(int.from_bytes(secrets.token_bytes(32)), 43)}"
    return key_id, f"{body}_{checksum(body)}"


def parse(text: str) -> KeyText | None:
    """The public parts of `text`, or None when it is no key or its checksum is wrong."""
    match = _KEY.match(text)
    if match is None or checksum(text[:-7]) != match[3]:
        return None
    return KeyText(match[1], match[2])

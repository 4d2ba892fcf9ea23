"""The text of an API key: `pcl_<env>_<key id>_<secret>_<checksum>`."""

from __future__ import annotations

import re
import secrets
from collections import Counter
from dataclasses import dataclass
from math import log2
from zlib import crc32

PREFIX = "pcl_"
KEY_IDS = 62**12
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
    key_id = base62(secrets.randbelow(KEY_IDS), 12)
    body = f"{PREFIX}{environment}_{key_id}_{base62(int.from_bytes(secrets.token_bytes(32)), 43)}"
    return key_id, f"{body}_{checksum(body)}"


def parse(text: str) -> KeyText | None:
    """The public parts of `text`, or None when it is no key or its checksum is wrong."""
    match = _KEY.match(text)
    if match is None or checksum(text[:-7]) != match[3]:
        return None
    return KeyText(match[1], match[2])


_FOREIGN = re.compile(r"[\x21-\x2b\x2d-\x7e]{20,512}\Z")
_CLASSES = (("0123456789", 10), ("abcdefghijklmnopqrstuvwxyz", 26), ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 26))
_OTHER_CLASS = 16


def is_foreign(text: str) -> bool:
    """Whether `text` could be a key that somebody else made: 20 to 512 visible characters without a comma."""
    return not text.startswith(PREFIX) and _FOREIGN.match(text) is not None


def strength(text: str) -> float:
    """An upper bound for the entropy of a foreign key, in bits.

    The smaller of what its alphabet allows and what the frequencies of its own characters allow. A text may be weaker
    than that, never stronger, so that a low value is proof and a high one is not.
    """
    alphabet = sum(size for members, size in _CLASSES if not set(members).isdisjoint(text))
    if any(not character.isalnum() for character in text):
        alphabet += _OTHER_CLASS
    counts = Counter(text)
    observed = -sum(count / len(text) * log2(count / len(text)) for count in counts.values()) if text else 0.0
    return len(text) * min(log2(alphabet or 1), observed)

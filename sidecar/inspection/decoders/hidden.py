"""What only Unicode can hide: tag characters, variation selectors, zero-width bits, turned letters."""

from __future__ import annotations

import re

from sidecar.inspection.decoders.decoder import Reading, Replacer, Rewritten, readable, substitute

_TAGS = re.compile("[\U000e0020-\U000e007e]{2,}")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}")
_BITS = re.compile("[\u200b\u200c\u200d\u2060-\u2064\ufeff]{16,}")


def _tags(text: str) -> Rewritten | None:
    """Tag characters are ASCII, moved to U+E0000 (Unicode, Tags)."""
    return substitute(_TAGS, lambda match: " " + "".join(chr(ord(c) - 0xE0000) for c in match[0]) + " ", text)


def _selectors(text: str) -> Rewritten | None:
    """The 256 variation selectors stand for the 256 bytes."""

    def decode(match: re.Match[str]) -> str | None:
        found = readable(bytes(code - 0xFE00 if code < 0xFE10 else code - 0xE0100 + 16 for code in map(ord, match[0])))
        return None if found is None else f" {found} "

    return substitute(_SELECTORS, decode, text)


def _bits(text: str) -> Rewritten | None:
    """Two zero-width characters stand for the bits 0 and 1, eight or sixteen of them for a letter."""

    def decode(match: re.Match[str]) -> str | None:
        used = sorted(set(match[0]))
        if len(used) == 3:  # the rarest one separates letters
            used.remove(min(used, key=match[0].count))
        if len(used) != 2:
            return None
        for zero, one in (used, used[::-1]):
            bits = "".join("0" if c == zero else "1" for c in match[0] if c in (zero, one))
            for width in (8, 16):
                whole = len(bits) - len(bits) % width
                codes = [int(bits[at : at + width], 2) for at in range(0, whole, width)]
                if codes and all(32 <= code < 127 or code in (9, 10, 13) for code in codes):
                    return " " + "".join(map(chr, codes)) + " "
        return None

    return substitute(_BITS, decode, text)


HIDDEN = (
    Replacer("tag_characters", (), _tags),
    Replacer("variation_selectors", (), _selectors),
    Replacer("zero_width_bits", (), _bits),
)

_TURNED = str.maketrans(
    "\u0250\u0254\u01dd\u025f\u0183\u0265\u1d09\u027e\u029e\u05df\u026f\u0279\u0287\u028c\u028d\u028e\u0131\u0253nupdbqNUMW69",
    "acefghijklmrtvwyigundpqbUNWM96",
)
_ANY_TURNED = re.compile("[\u0250\u0254\u01dd\u025f\u0183\u0265\u1d09\u029e\u026f\u0279\u0287\u028c\u028d\u028e]")


def _upside_down(text: str) -> str | None:
    return text.translate(_TURNED)[::-1] if len(_ANY_TURNED.findall(text[:2000])) > 2 else None


TURNED = Reading("upside_down", (), _upside_down)

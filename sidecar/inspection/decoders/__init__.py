"""Disguises, a few to a file: text -> what it stands for.

A *replacer* rewrites places of a text and leaves the rest; a *reading* is another way to read all of it. Both take the
text and say nothing (`None`) when there is nothing to take off. Each is tried only where its trigger, a Hyperscan
pattern over the lower-case text, is found. Every one is linear in the text, and gives back at most about as much.
"""

from __future__ import annotations

from sidecar.inspection.decoders.armour import ARMOUR
from sidecar.inspection.decoders.ciphers import CIPHERS
from sidecar.inspection.decoders.decoder import Reading, Replacer
from sidecar.inspection.decoders.escapes import ESCAPES
from sidecar.inspection.decoders.hidden import HIDDEN, TURNED
from sidecar.inspection.decoders.signals import SIGNALS
from sidecar.inspection.decoders.spacing import SPACING
from sidecar.inspection.decoders.spelling import SPELLING

RAW_REPLACERS: tuple[Replacer, ...] = HIDDEN
RAW_READINGS: tuple[Reading, ...] = (TURNED,)
"""For the text as it came, when it is not ASCII."""

REPLACERS: tuple[Replacer, ...] = (*ESCAPES, *SIGNALS, *ARMOUR)
"""For cleaned text, in this order."""

READINGS: tuple[Reading, ...] = (*SPACING, *SPELLING, *CIPHERS)
"""Whole-text readings, each tried by itself."""

__all__ = ["RAW_READINGS", "RAW_REPLACERS", "READINGS", "REPLACERS", "Reading", "Replacer"]

"""Memory that starting needed and serving does not."""

from __future__ import annotations

import ctypes
import gc


def settle() -> None:
    """Give back what compiling rules and loading libraries has left over, and stop collecting what will stay.

    What has been loaded lives as long as the process: `gc.freeze` spares every later collection the walk over it.
    """
    gc.collect()
    gc.freeze()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc alone has it
    if trim is not None:
        trim(0)

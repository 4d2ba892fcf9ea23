"""Both models in C, where there was a compiler at installation: the same answers, some twenty times as fast."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sidecar.inspection.model import concepts, features, soup, tokens
from sidecar.inspection.places import Place

try:
    from sidecar.inspection.model._scorer import Scorer
    from sidecar.inspection.model._soup import Soup
except ImportError:
    COMPILED = False
else:
    COMPILED = True

Found = tuple[float, int, int, list[Place]]
"""Of the most suspicious window its log-odds, start and end; and the doubtful stretches."""


def compiled_scorer(
    weights: NDArray[np.int8],
    slots: NDArray[np.uint16],
    *,
    scale: float,
    bias: float,
    spread: float,
    least: int,
    doubtful: float,
) -> Callable[[str, bool], Found | None] | None:
    """Finds the worst window of a text, which a tool returned or did not; gives None for a text without words.

    The arguments are those of InjectionModel; `slots` is the table of its concepts. None without a compiler.
    """
    if not COMPILED:
        return None
    return Scorer(
        numbers=_joined(
            (tokens.BASE, tokens.SALTS, features.PLACES, features.SALTS, concepts.SALTS, features.CONCEPTS)
        ),
        fold=tokens.FOLD,
        alone=tokens.ALONE,
        slots=slots,
        weights=np.ascontiguousarray(weights),
        scale=scale,
        bias=bias,
        spread=spread,
        least=least,
        doubtful=doubtful,
    ).locate


def compiled_soup(
    kinds: bytes, gate: NDArray[np.uint8], weights: NDArray[np.float32], bias: float, limit: int
) -> Callable[[bytes], tuple[float, int, int] | None] | None:
    """Finds the worst stretch of some bytes, at most 64 kB: its log-odds, start and end. Gives None when the gate lets
    nothing through.

    The arguments are those of GibberishModel. None without a compiler.
    """
    if not COMPILED:
        return None
    return Soup(
        numbers=_joined((soup.SALTS, soup.ROW_SALTS, soup.LENGTHS, soup.DISTANCES)),
        kinds=kinds,
        groups=soup.GROUPS,
        gate=np.ascontiguousarray(gate),
        weights=np.ascontiguousarray(weights),
        bias=bias,
        limit=limit,
    ).worst


def _joined(parts: Iterable[ArrayLike]) -> NDArray[np.uint64]:
    return np.concatenate([np.ravel(part).astype(np.uint64) for part in parts])

from typing import Any

from numpy.typing import NDArray

class Soup:
    def __init__(
        self,
        *,
        numbers: NDArray[Any],
        kinds: bytes,
        groups: bytes,
        gate: NDArray[Any],
        weights: NDArray[Any],
        bias: float,
        limit: int,
    ) -> None: ...
    def worst(self, data: bytes, /) -> tuple[float, int, int] | None: ...

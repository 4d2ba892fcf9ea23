from typing import Any

from numpy.typing import NDArray

class Scorer:
    def __init__(
        self,
        *,
        numbers: NDArray[Any],
        fold: NDArray[Any],
        alone: NDArray[Any],
        slots: NDArray[Any],
        weights: NDArray[Any],
        scale: float,
        bias: float,
        spread: float,
        least: int,
        doubtful: float,
    ) -> None: ...
    def locate(self, text: str, tool: bool, /) -> tuple[float, int, int, list[tuple[int, int]]] | None: ...

"""What the benchmarks print: progress while they run, a table and a verdict at the end."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def progress(what: str) -> None:
    """One line on standard error, so that standard output holds only the results."""
    print(f"  ... {what}", file=sys.stderr, flush=True)


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under a title, the first column to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    print(f"\n{title}\n")
    for number, row in enumerate(cells):
        first, *others = (
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  " + "   ".join([first, *others]).rstrip())
        if number == 0:
            print("  " + "   ".join("-" * width for width in widths))
    sys.stdout.flush()


def verdict(value: float, *, least: float | None = None, most: float | None = None) -> str:
    """`met` or `MISSED` for a goal, with the goal."""
    if least is not None:
        return f"{'met' if value >= least else 'MISSED'} (at least {least:g})"
    if most is not None:
        return f"{'met' if value <= most else 'MISSED'} (at most {most:g})"
    return ""


def percentile(sorted_values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0..1) of the values don't exceed; the values are sorted."""
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]


def milliseconds(seconds: float) -> str:
    """Seconds as milliseconds, with the digits that mean something."""
    return f"{seconds * 1e3:.2f}"

"""Takes every figure in each round, one after the other, and says on standard error how it goes."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speed.database import Ground
    from speed.figure import Values
    from speed.plan import Figure
    from speed.sizes import Sizes


def tell(words: str) -> None:
    """One line of progress."""
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


async def run_rounds(ground: Ground, figures: Sequence[Figure], sizes: Sizes, rounds: int) -> list[dict[str, Values]]:
    """The values of each round by figure.

    Raises:
        BenchError: A check failed, so there is no table.
    """
    taken: list[dict[str, Values]] = []
    for number in range(rounds):
        values: dict[str, Values] = {}
        for figure in figures:
            began = time.monotonic()
            values[figure.name] = await figure.measure(ground, sizes)
            words = ", ".join(f"{key} {value:,.2f}" for key, value in values[figure.name].items()) or "not installed"
            tell(f"round {number + 1} of {rounds}  {figure.name:9} {words}  ({time.monotonic() - began:.0f} s)")
        taken.append(values)
    return taken

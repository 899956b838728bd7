"""How many jobs each lane may start in this turn. Pure: rows come in, a plan goes out."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def plan_turns(lanes: Sequence[str], room: Iterable[tuple[str, str, int | None]], slots: int) -> dict[str, int]:
    """Share `slots` among the lanes: one job each in turn, round after round, until slots or room run out.

    A key may stand in several lanes (a job type's total, say): what one lane takes of it, the others no longer have.

    Args:
        lanes: In the order of their turns.
        room: (lane, key, how many more jobs the key allows; None: any number).
        slots: How many jobs the claimer can run.

    Returns:
        Lanes that may start something, and how many.
    """
    keys_of: dict[str, list[str]] = defaultdict(list)
    free: dict[str, int] = {}
    for lane, key, left in room:
        if left is not None:
            keys_of[lane].append(key)
            free[key] = left
    turns: dict[str, int] = defaultdict(int)
    waiting = list(lanes)
    while slots > 0 and waiting:
        still = []
        for lane in waiting:
            if slots == 0:
                break
            keys = keys_of[lane]
            if any(free[key] <= 0 for key in keys):
                continue
            for key in keys:
                free[key] -= 1
            turns[lane] += 1
            slots -= 1
            still.append(lane)
        waiting = still
    return dict(turns)

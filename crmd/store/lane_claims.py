"""Claims of jobs with keys: a look for lanes with work, a plan of whose turn it is, one statement that takes them."""

from __future__ import annotations

import time
from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from crmd.lanes import Turn
from crmd.store.queries import load_queries
from crmd.tuning import UNTUNED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from crmd.lanes import Turns
    from crmd.store.pools import Pool
    from crmd.tuning import Tuning

_SQL = load_queries("crmd.store")
LANES_VISITED_MAX = 512
_turn = itemgetter("turn")
_grant = itemgetter("turn", "granted")


async def claim_lanes(
    pool: Pool,
    daemon_id: UUID,
    queue: str,
    limit: int,
    turns: Turns,
    local_free: Mapping[str, int],
    claim_id: UUID,
    tuning: Tuning = UNTUNED,
) -> list[Any]:
    """Claim up to `limit` due jobs with keys, each lane in its turn, keeping inside every key's limit.

    Answers nothing only when a whole round through the lanes has found nothing that may start.

    Args:
        pool: The control pool.
        daemon_id: Who claims.
        queue: Its name.
        limit: How many at the most.
        turns: Whose turn it is; moved on.
        local_free: What is free of the limits that count inside this daemon, by name.
        claim_id: The new claim.
        tuning: What operators have changed live.
    """
    now = time.monotonic()
    turns.begin(now)
    is_first = True
    while True:
        await _look(pool, queue, turns, tuning, now)
        asked = turns.plan(limit, tuning.weights, is_first=is_first)
        if asked:
            lanes, counts = zip(*asked, strict=True)
            arguments = (lanes, counts, limit, claim_id, daemon_id, tuning.paused_types)
            rows = await pool.fetch(_SQL.claim_lanes, queue, *arguments, list(local_free), list(local_free.values()))
            claimed = [row for row in rows if row["id"] is not None]
            turns.settle(_outcomes(lanes, rows, claimed), tuning.weights)
            if claimed:
                return claimed
        elif not turns.is_looking:
            return []
        is_first = False


async def _look(pool: Pool, queue: str, turns: Turns, tuning: Tuning, now: float) -> None:
    """Find the next lanes of the round that have work, and those with critical work."""
    if turns.is_looking:
        rows = await pool.fetch(_SQL.lanes_due, queue, turns.after, LANES_VISITED_MAX)
        turns.see(rows, LANES_VISITED_MAX, tuning.paused)
    if turns.is_urgent_look_due(now):
        rows = await pool.fetch(_SQL.lanes_critical, queue, turns.after_urgent, LANES_VISITED_MAX)
        turns.see_urgent(rows, LANES_VISITED_MAX, tuning.paused)


def _outcomes(lanes: Sequence[str], rows: Sequence[Any], claimed: Sequence[Any]) -> dict[str, Turn]:
    granted = dict(map(_grant, rows))
    got = Counter(map(_turn, claimed))
    return {lanes[turn - 1]: Turn(count, got[turn]) for turn, count in granted.items()}

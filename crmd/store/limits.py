"""Shared token buckets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.store.gates import Closed
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from crmd.context import Statements


async def take(database: Statements, name: str, cost: float, *, rate_per_second: float, burst: float) -> float:
    """Take `cost` units from the bucket `name` over all daemons.

    Returns:
        0 when they were taken, else how many seconds to wait before asking again (nothing was written then).
    """
    taken = await take_behind(database, None, name, cost, rate_per_second=rate_per_second, burst=burst)
    if isinstance(taken, Closed):
        raise TypeError("a take without a gate met a gate")
    return taken


async def take_behind(
    database: Statements, gate_key: str | None, name: str, cost: float, *, rate_per_second: float, burst: float
) -> float | Closed:
    """`take`, unless the gate is closed: then nothing is taken, and the closed gate is returned."""
    row = await database.fetchrow(
        load_queries("crmd.store").limit_take, name, float(cost), float(rate_per_second), float(burst), gate_key
    )
    if gate_key is not None and row["reason"] is not None:
        return Closed(gate_key, row["gate_seconds"], row["reason"])
    return float(row["wait_seconds"])


async def sweep(database: Statements, *, older_than_seconds: float = 86_400.0) -> None:
    """Forget buckets that have been full for that long."""
    await database.execute(load_queries("crmd.store").limit_sweep, older_than_seconds)

"""Shared token buckets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from crmd.context import Statements


async def take(database: Statements, name: str, cost: float, *, rate_per_second: float, burst: float) -> float:
    """Take `cost` units from the bucket `name` over all daemons.

    Returns:
        0 when they were taken, else how many seconds to wait before asking again (nothing was written then).
    """
    wait_seconds = await database.fetchval(
        load_queries("crmd.store").limit_take, name, float(cost), float(rate_per_second), float(burst)
    )
    return float(wait_seconds)


async def sweep(database: Statements, *, older_than_seconds: float = 86_400.0) -> None:
    """Forget buckets that have been full for that long."""
    await database.execute(load_queries("crmd.store").limit_sweep, older_than_seconds)

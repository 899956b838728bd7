"""Tells daemons that have live streams which jobs have changed here: at most twenty times a second, ids only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from crmd.engine.watchers import Watchers
    from crmd.store.pools import Pool

_SQL = load_queries("crmd.store")
PAUSE_SECONDS = 0.05
LOOK_SECONDS = 1.0


async def herald_once(pool: Pool, watchers: Watchers) -> float:
    """Wait until there is something to be told, and tell it; when that fails, whoever watches finds it by looking."""
    await watchers.arrived.wait()
    await pool.execute(_SQL.watching_tell, watchers.take())
    return PAUSE_SECONDS


async def look_around_once(pool: Pool, watchers: Watchers) -> float:
    """See who watches elsewhere."""
    watchers.elsewhere([row["workspaces"] for row in await pool.fetch(_SQL.watching_read, watchers.id)])
    return LOOK_SECONDS

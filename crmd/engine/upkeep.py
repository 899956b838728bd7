"""Makes the partitions of the coming days and drops what retention lets go, a little at a time."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crmd.store import effects, job_log
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from crmd.store.pools import Pool

_LOG = logging.getLogger("crmd.engine")
_SQL = load_queries("crmd.store")
INTERVAL_SECONDS = 3600.0
SWEEP_MAX = 5000


@dataclass(frozen=True, slots=True)
class Keep:
    """Days that finished jobs, events and ticks are kept."""

    archive_days: int = 30
    event_days: int = 90
    tick_days: int = 30


async def upkeep_once(pool: Pool, keep: Keep) -> float:
    """One round; answers the seconds until the next, sooner when there was more than one round could sweep."""
    tables = (
        ("archive", "finished_at", keep.archive_days),
        ("event", "emitted_at", keep.event_days),
        ("tick", "due_at", keep.tick_days),
    )
    async with pool.acquire() as connection:
        for table, column, days in tables:
            await connection.fetch(_SQL.partitions_make, table)
            dropped = await connection.fetchval(_SQL.partitions_drop, table, column, days)
            if dropped:
                _LOG.info("retention dropped %d days of crmd.%s", dropped, table)
        swept: int = await connection.fetchval(_SQL.upkeep_sweep, keep.archive_days, SWEEP_MAX)
        swept = max(swept, await job_log.sweep(connection, keep.archive_days, SWEEP_MAX))
        swept = max(swept, await effects.sweep(connection, days=keep.archive_days, rows_max=SWEEP_MAX))
    return 1.0 if swept >= SWEEP_MAX else INTERVAL_SECONDS

"""Makes the partitions of the coming days and drops what retention lets go, a little at a time."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crmd.store import blame, effects, events, job_log, retention, webhooks
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from crmd.store.pools import Connection, Pool

_LOG = logging.getLogger("crmd.engine")
_SQL = load_queries("crmd.store")
INTERVAL_SECONDS = 3600.0
HEAR_SECONDS = 10.0
SWEEP_MAX = 5000


@dataclass(frozen=True, slots=True)
class Keep:
    """Days that finished jobs, events and ticks are kept; of jobs also their payloads, results and logs.

    Attributes:
        payload_days: None: as long as the jobs; so are `result_days` and `log_days`.
    """

    archive_days: int = 30
    event_days: int = 90
    tick_days: int = 30
    payload_days: int | None = None
    result_days: int | None = None
    log_days: int | None = None


async def upkeep_once(pool: Pool, keep: Keep) -> float:
    """One round; answers the seconds until the next, sooner when there was more than one round could sweep."""
    tables = (
        ("archive", "finished_at", keep.archive_days),
        ("event", "emitted_at", keep.event_days),
        ("delivery", "emitted_at", keep.event_days),
        ("tick", "due_at", keep.tick_days),
    )
    async with pool.acquire() as connection:
        for table, column, days in tables:
            await connection.fetch(_SQL.partitions_make, table)
            dropped = await connection.fetchval(_SQL.partitions_drop, table, column, days)
            if dropped:
                _LOG.info("retention dropped %d days of crmd.%s", dropped, table)
        swept: int = await connection.fetchval(_SQL.upkeep_sweep, keep.archive_days, SWEEP_MAX)
        swept = max(swept, await job_log.sweep(connection, keep.log_days or keep.archive_days, SWEEP_MAX))
        swept = max(swept, await effects.sweep(connection, days=keep.archive_days, rows_max=SWEEP_MAX))
        swept = max(swept, await webhooks.sweep(connection, keep.event_days, SWEEP_MAX))
        await blame.sweep(connection)
        has_more = await _let_go(connection, keep)
        if not await events.hear_jobs(connection):  # listeners' wishes lapse, and somebody may have been in the way
            return HEAR_SECONDS
    return 1.0 if has_more or swept >= SWEEP_MAX else INTERVAL_SECONDS


async def _let_go(connection: Connection, keep: Keep) -> bool:
    """Payloads and results that are kept for less long than their jobs; whether there is more to do."""
    has_more = False
    for name, days in (("payload", keep.payload_days), ("result", keep.result_days)):
        if days is not None and days < keep.archive_days:
            has_more |= await retention.let_go(connection, name, days, keep.archive_days)
    return has_more

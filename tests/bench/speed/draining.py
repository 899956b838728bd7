"""A drain: jobs wait in a paused queue, daemons stand ready, and the time runs from the first start to the last end.

Both instants are the database's. While it lasts nobody looks at the tables that are worked on: the last job's id is
looked for in the archive by its key, and only when it is there everything is counted.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from speed.daemons import running_daemons
from speed.failure import BenchError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from speed.database import Database

QUEUE = "queue:fast"
PATIENCE_SECONDS = 900.0
IS_DONE = "SELECT EXISTS (SELECT FROM crmd.archive WHERE id = $1)"
LEFT = """
SELECT (SELECT count(*) FROM crmd.job WHERE type = $1 AND priority = $2)
    + (SELECT count(*) FROM crmd.lease WHERE type = $1 AND priority = $2)
"""
ENDED = """
SELECT count(*) AS jobs, count(DISTINCT id) AS ids, coalesce(sum(attempt), 0) AS attempts,
    coalesce(sum(fence), 0) AS claims, count(*) FILTER (WHERE status <> 'completed') AS others,
    extract(epoch FROM max(finished_at) - min(started_at))::float8 AS seconds
FROM crmd.archive WHERE type = $1 AND priority = $2
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The jobs that are to be drained: of one type and priority, and how many."""

    job_type: str
    count: int
    last: UUID
    priority: str = "normal"


async def drain(
    database: Database, wanted: Wanted, daemons: int = 1, watch: Callable[[], Awaitable[None]] | None = None
) -> float:
    """Drain and check; answers jobs a second.

    Args:
        database: Where they wait.
        wanted: What is timed; whatever else waits is left.
        daemons: How many work.
        watch: Called again and again meanwhile.

    Raises:
        BenchError: Not each of them was done exactly once.
    """
    await database.connection.fetchval("SELECT crmd.pause($1, 'until all daemons stand ready')", QUEUE)
    async with running_daemons(database, daemons):
        await database.connection.fetchval("SELECT crmd.resume($1)", QUEUE)
        await _until_done(database, wanted, watch)
    return await checked_rate(database, wanted)


async def checked_rate(database: Database, wanted: Wanted) -> float:
    """Jobs a second from the first start to the last end.

    Raises:
        BenchError: Not each of them was done exactly once.
    """
    row = await database.connection.fetchrow(ENDED, wanted.job_type, wanted.priority)
    assert row is not None, "an aggregate always answers a row"
    found = tuple(row[name] for name in ("jobs", "ids", "attempts", "claims", "others"))
    if found != (*[wanted.count] * 4, 0):
        words = f"{found[0]} ends of {found[1]} jobs, {found[2]} attempts, {found[3]} claims, {found[4]} not completed"
        raise BenchError(f"{wanted.count} jobs of {wanted.job_type} were not done once each: {words}")
    return float(wanted.count / row["seconds"])


async def _until_done(database: Database, wanted: Wanted, watch: Callable[[], Awaitable[None]] | None) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    connection = database.connection
    while not await connection.fetchval(IS_DONE, wanted.last) or await connection.fetchval(
        LEFT, wanted.job_type, wanted.priority
    ):
        if time.monotonic() > deadline:
            raise BenchError(f"{wanted.count} jobs of {wanted.job_type} were not done in {PATIENCE_SECONDS:.0f} s")
        if watch is not None:
            await watch()
        await asyncio.sleep(0.02)

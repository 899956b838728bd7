"""Figures of drains: plain, by two daemons, beside a backlog, under a snapshot, with a slow flush, under limits."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg

from speed.database import NEWEST, OLDEST
from speed.draining import Wanted, drain
from speed.failure import BenchError
from speed.filling import fill, workspace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from speed.database import Database, Ground
    from speed.figure import Values
    from speed.sizes import Sizes

LIMIT = 5
FLUSH_MICROSECONDS = 2000
TWO = 2
MOST_RUNNING = """
SELECT coalesce(max(running), 0) FROM (
    SELECT count(*) AS running FROM crmd.lease WHERE type = 'no-op-keyed' GROUP BY workspace_id) s
"""
# By the database's own instants; of an end and a start at the same one, the end came first.
MOST_AT_ONCE = """
SELECT coalesce(max(running), 0) FROM (
    SELECT sum(step) OVER (PARTITION BY workspace_id ORDER BY at, step ROWS UNBOUNDED PRECEDING) AS running FROM (
        SELECT workspace_id, started_at AS at, 1 AS step FROM crmd.archive WHERE type = 'no-op-keyed'
        UNION ALL SELECT workspace_id, finished_at, -1 FROM crmd.archive WHERE type = 'no-op-keyed') s) r
"""


async def plain(ground: Ground, sizes: Sizes) -> Values:
    """One daemon; with the log that it takes to enqueue and to run a job."""
    async with ground.fresh() as database:
        before = await database.wal_bytes()
        last = await fill(database, "no-op", sizes.drained)
        enqueued = await database.wal_bytes() - before
        await database.settle()
        before = await database.wal_bytes()
        rate = await drain(database, Wanted("no-op", sizes.drained, last))
        worked = await database.wal_bytes() - before
    return {"rate": rate, "wal": worked / sizes.drained, "wal_all": (enqueued + worked) / sizes.drained}


async def by_two(ground: Ground, sizes: Sizes) -> Values:
    """Two daemons share the jobs."""
    async with ground.fresh() as database:
        last = await fill(database, "no-op", sizes.drained)
        await database.settle()
        return {"rate": await drain(database, Wanted("no-op", sizes.drained, last), TWO)}


async def future(ground: Ground, sizes: Sizes, major: int = NEWEST) -> Values:
    """Beside many jobs that are due tomorrow."""
    async with ground.fresh(major) as database:
        await fill(database, "no-op", sizes.backlog, priority="low", delay_seconds=86_400)
        return {"rate": await _drained_before(database, sizes)}


async def behind(ground: Ground, sizes: Sizes, major: int = NEWEST) -> Values:
    """Before many jobs that are due, and of lower priority."""
    async with ground.fresh(major) as database:
        await fill(database, "no-op", sizes.backlog, priority="low")
        return {"rate": await _drained_before(database, sizes)}


async def on_oldest(ground: Ground, sizes: Sizes) -> Values:
    """Plain, beside future jobs, and before jobs of lower priority, all on the oldest server."""
    if OLDEST not in ground.clusters:
        return {}
    async with ground.fresh(OLDEST) as database:
        rate = await _drained_before(database, sizes)
    beside = await future(ground, sizes, OLDEST)
    before = await behind(ground, sizes, OLDEST)
    return {"rate": rate, "future": beside["rate"], "behind": before["rate"]}


async def _drained_before(database: Database, sizes: Sizes) -> float:
    """A drain of jobs that come before whatever waits; that is on the disk already."""
    await database.settle()
    await database.connection.execute("CHECKPOINT")
    last = await fill(database, "no-op", sizes.drained, priority="high")
    await database.settle()
    return await drain(database, Wanted("no-op", sizes.drained, last, "high"))


async def under_snapshot(ground: Ground, sizes: Sizes) -> Values:
    """While another session holds a snapshot from before the jobs were enqueued until all are done."""
    async with ground.fresh() as database, held_snapshot(database):
        last = await fill(database, "no-op", sizes.held)
        await database.settle()
        return {"rate": await drain(database, Wanted("no-op", sizes.held, last))}


async def slow_flush(ground: Ground, sizes: Sizes) -> Values:
    """With a disk whose flush takes two milliseconds more."""
    async with ground.fresh() as database:
        last = await fill(database, "no-op", sizes.drained)
        await database.settle()
        for setting in (f"commit_delay = {FLUSH_MICROSECONDS}", "commit_siblings = 0"):
            await database.connection.execute(f"ALTER DATABASE {database.name} SET {setting}")
        return {"rate": await drain(database, Wanted("no-op", sizes.drained, last))}


async def limited(ground: Ground, sizes: Sizes) -> Values:
    """Many keys with a limit each, by one daemon and by two."""
    return {
        "one": await _limited_by(ground, sizes, 1),
        "two": await _limited_by(ground, sizes, TWO),
    }


async def _limited_by(ground: Ground, sizes: Sizes, daemons: int) -> float:
    each, most, last = sizes.keyed // sizes.keys, 0, UUID(int=0)
    async with ground.fresh() as database:
        for key in range(sizes.keys):
            last = await fill(database, "no-op-keyed", each, workspace_id=workspace(key))
        await database.settle()

        async def watch() -> None:
            nonlocal most
            most = max(most, await database.connection.fetchval(MOST_RUNNING))

        rate = await drain(database, Wanted("no-op-keyed", each * sizes.keys, last), daemons, watch)
        most = max(most, await database.connection.fetchval(MOST_AT_ONCE))
    if most > LIMIT:
        raise BenchError(f"{most} jobs of a key with a limit of {LIMIT} ran at once")
    return rate


@contextlib.asynccontextmanager
async def held_snapshot(database: Database) -> AsyncIterator[None]:
    """Another session is in a transaction and has read something."""
    other = await asyncpg.connect(database.dsn)
    try:
        async with other.transaction(isolation="repeatable_read", readonly=True):
            await other.fetchval("SELECT count(*) FROM crmd.job")
            yield
    finally:
        await other.close()

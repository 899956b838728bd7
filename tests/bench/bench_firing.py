"""How fast schedules fire: a simulated day of a million in 24 zones, 100,000 due at one instant, and a year of 2,000.

`bench_firing.py [DUE [TOTAL [YEARLY]]]`: so many are due at one instant (100,000) among so many in the table
(1,000,000); so many go through a year with its daylight-saving changes (2,000).
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import asyncpg

from crmd.engine.scheduler import schedule_once
from crmd.store.migrate import migrate, read_migrations
from crmd.store.queries import load_queries
from crmd.testing.databases import TestServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SQL = load_queries("crmd.testing")
ZONES = [
    "UTC", "America/New_York", "America/Los_Angeles", "America/Sao_Paulo", "America/St_Johns", "America/Chicago",
    "America/Denver", "Europe/London", "Europe/Zurich", "Europe/Athens", "Europe/Istanbul", "Africa/Casablanca",
    "Africa/Lagos", "Asia/Tehran", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Beirut", "Asia/Tokyo", "Asia/Shanghai",
    "Australia/Lord_Howe", "Australia/Sydney", "Pacific/Auckland", "Pacific/Apia", "Pacific/Honolulu",
]  # fmt: skip
START = datetime(2026, 3, 2, 12, tzinfo=UTC)
SPREAD_SECONDS = 600
FILL = """
SELECT count(*) FROM crmd.schedule_many((
    SELECT jsonb_agg(jsonb_build_object('id', 'digest:' || n, 'job_type', 'digest', 'expression', $3::text,
        'timezone', ($4::text[])[1 + n % cardinality($4::text[])], 'spread_seconds', $5::int,
        'workspace_id', md5('w' || n % 1000)::uuid, 'user_id', md5('u' || n)::uuid))
    FROM generate_series($1::int, $2::int) n))
"""
FIRED = """
SELECT count(*) AS jobs, count(DISTINCT user_id) AS users, min(run_at) AS first, max(run_at) AS last,
    (SELECT array_agg(t.jobs ORDER BY t.tenth) FROM (
        SELECT width_bucket(extract(epoch FROM run_at - $1)::float8, 0, 600, 10) AS tenth, count(*) AS jobs
        FROM crmd.job WHERE run_at >= $1 GROUP BY tenth) t) AS tenths
FROM crmd.job WHERE run_at >= $1
"""
YEAR = """
SELECT t.schedule_id, s.timezone, t.due_at FROM crmd.tick t JOIN crmd.schedule s ON s.id = t.schedule_id
WHERE t.job_id IS NOT NULL ORDER BY t.schedule_id, t.due_at
"""
YEAR_DAYS = 365


async def main(due: int, total: int, yearly: int) -> None:
    """Print seconds and rates."""
    with TestServer() as server:
        async with _database(server) as pool:
            await _a_day(pool, total)
            await _one_instant(pool, total, due)
            _say_memory()
        async with _database(server) as pool:
            await _a_year(pool, yearly)


def _say_memory() -> None:
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sys.stdout.write(f"  this process took {peak_bytes / 2**20:.0f} MiB at the most\n")


@contextlib.asynccontextmanager
async def _database(server: TestServer) -> AsyncIterator[asyncpg.Pool[Any]]:
    async with asyncpg.create_pool(server.dsn(await server.create()), min_size=0, max_size=4) as pool:
        async with pool.acquire() as connection:
            await migrate(connection, read_migrations("crmd", "crmd.store"))
        await pool.execute(SQL.clock_inject)
        await pool.execute("INSERT INTO crmd.job_type (name, plugin, queue) VALUES ('digest', 'bench', 'normal')")
        await pool.execute(SQL.clock_freeze, START)
        yield pool


async def _a_day(pool: asyncpg.Pool[Any], total: int) -> None:
    began = time.perf_counter()
    await _fill(pool, 1, total, "0 9 * * *", ZONES)
    _say(f"made {total:,} schedules", began, total)
    began = time.perf_counter()
    await _until_dry(pool)
    _say("planned their first ticks", began, total)
    began = time.perf_counter()
    for quarter in range(1, 97):
        await pool.execute(SQL.clock_freeze, START + timedelta(minutes=15 * quarter))
        await _until_dry(pool)
    _say("fired a day of them", began, total)
    row = await pool.fetchrow(FIRED, START)
    assert row is not None
    slots = await pool.fetchval("SELECT count(DISTINCT schedule_id) FROM crmd.tick")
    sys.stdout.write(f"  {row['jobs']:,} jobs, {row['users']:,} users, {slots:,} schedules with a tick\n")


async def _one_instant(pool: asyncpg.Pool[Any], total: int, due: int) -> None:
    """At 12:34 two days on, when nothing else is due."""
    at = START + timedelta(days=1, minutes=34)
    await pool.execute(SQL.clock_freeze, at - timedelta(seconds=1))
    await _fill(pool, total + 1, total + due, f"{at.minute} {at.hour} * * *", ["UTC"])
    await _until_dry(pool)
    began = time.perf_counter()
    await schedule_once(pool)
    _say("looked when nothing is due", began, 1)
    await pool.execute(SQL.clock_freeze, at)
    began = time.perf_counter()
    await asyncio.gather(_until_dry(pool), _until_dry(pool))
    _say(f"fired {due:,} due at one instant, two daemons", began, due)
    row = await pool.fetchrow(FIRED, at)
    assert row is not None
    sys.stdout.write(f"  {row['jobs']:,} jobs from {row['first']:%T} to {row['last']:%T}, by tenths {row['tenths']}\n")


async def _a_year(pool: asyncpg.Pool[Any], count: int) -> None:
    """Two daemons look each hour, and each job ends at once, as a daemon's would."""
    await _fill(pool, 1, count, "0 9 * * *", ZONES)
    await _until_dry(pool)
    began = time.perf_counter()
    for hour in range(1, YEAR_DAYS * 24 + 1):
        await pool.execute(SQL.clock_freeze, START + timedelta(hours=hour))
        await asyncio.gather(_until_dry(pool), _until_dry(pool))
        await pool.execute("WITH ended AS (DELETE FROM crmd.job) DELETE FROM crmd.unique_key")
    rows = await pool.fetch(YEAR)
    _say(f"fired a year of {count:,}", began, len(rows))
    days: dict[str, list[datetime]] = {}
    for row in rows:  # on Python's own calendar of zones: the server's may be of another year
        local = row["due_at"].astimezone(ZoneInfo(row["timezone"]))
        days.setdefault(row["schedule_id"], []).append(local)
    right = [
        all(tick.hour == 9 and tick.minute == 0 for tick in ticks)
        and [tick.date() for tick in ticks] == [ticks[0].date() + timedelta(days=n) for n in range(YEAR_DAYS)]
        for ticks in days.values()
    ]
    sys.stdout.write(f"  {sum(right):,} of {len(days):,} fired at 9:00 on each of {YEAR_DAYS} local days, once\n")


async def _fill(pool: asyncpg.Pool[Any], first: int, last: int, expression: str, zones: list[str]) -> None:
    for low in range(first, last + 1, 10_000):
        high = min(low + 9_999, last)
        await pool.execute(FILL, low, high, expression, zones, SPREAD_SECONDS)


async def _until_dry(pool: asyncpg.Pool[Any]) -> None:
    while await schedule_once(pool) == 0:
        pass


def _say(what: str, began: float, count: int) -> None:
    seconds = time.perf_counter() - began
    sys.stdout.write(f"{what:45} {seconds:8.2f} s {count / seconds:12,.0f} /s\n")
    sys.stdout.flush()


if __name__ == "__main__":
    given = [int(word.replace(",", "")) for word in sys.argv[1:4]]
    asyncio.run(main(*(given + [100_000, 1_000_000, 2_000][len(given) :])))

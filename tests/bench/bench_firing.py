"""How fast schedules fire: many due at one instant, and a simulated day of a million in 24 zones.

`bench_firing.py [DUE [TOTAL]]`: so many are due at one instant (100,000) among so many in the table (1,000,000).
"""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from crmd.engine.scheduler import schedule_once
from crmd.store.migrate import migrate, read_migrations
from crmd.store.queries import load_queries
from crmd.testing.databases import TestServer

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


async def main(due: int, total: int) -> None:
    """Print seconds and rates."""
    with TestServer() as server:
        async with asyncpg.create_pool(server.dsn(await server.create()), min_size=0, max_size=4) as pool:
            async with pool.acquire() as connection:
                await migrate(connection, read_migrations("crmd", "crmd.store"))
            await pool.execute(SQL.clock_inject)
            await pool.execute("INSERT INTO crmd.job_type (name, plugin, queue) VALUES ('digest', 'bench', 'normal')")
            await pool.execute(SQL.clock_freeze, START)
            await _a_day(pool, total)
            await _one_instant(pool, total, due)


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
    given = [int(word.replace(",", "")) for word in sys.argv[1:3]]
    asyncio.run(main(*(given + [100_000, 1_000_000][len(given) :])))

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from crmd.engine.scheduler import schedule_once
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    import asyncpg

SQL = load_queries("crmd.testing")
START = datetime(2026, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
ZONES = [
    "UTC",
    "America/New_York",
    "Europe/Zurich",
    "Asia/Kathmandu",
    "America/Sao_Paulo",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Asia/Beirut",
]
EXPRESSIONS = ["30 2 * * *", "30 1 * * 0", "0 */4 * * *", "0 9 1 * *"]
SCHEDULE = """
INSERT INTO crmd.schedule (id, job_type, expression, timezone, origin, catch_up, overlap, last_due_at, next_due_at,
    updated_at)
VALUES ($1, 'tick-tock', $2, $3, 'runtime', 'all', 'allow', $4, $4, $4)
"""


@pytest.mark.slow
async def test_a_year_in_eight_zones_fires_cronsims_times(database: asyncpg.Pool[Any]) -> None:
    """Two daemons on an injected clock fire a year of schedules in eight zones: cronsim's times, each exactly once."""
    await database.execute(SQL.clock_inject)
    await database.execute(SQL.clock_freeze, START)
    await database.execute("INSERT INTO crmd.job_type (name, plugin, queue) VALUES ('tick-tock', 'test', 'normal')")
    wanted = set()
    for number, (expression, zone) in enumerate(itertools.product(EXPRESSIONS, ZONES)):
        await database.execute(SCHEDULE, f"s{number}", expression, zone, START)
        times = (tick.astimezone(UTC) for tick in CronSim(expression, START.astimezone(ZoneInfo(zone))))
        wanted |= {(f"s{number}", tick) for tick in itertools.takewhile(lambda tick: tick <= START + YEAR, times)}
    for day in range(1, YEAR.days + 1):
        await database.execute(SQL.clock_freeze, START + timedelta(days=day))
        await asyncio.gather(schedule_once(database), schedule_once(database))
    fired = [tuple(row) for row in await database.fetch("SELECT schedule_id, due_at FROM crmd.tick")]
    jobs = await database.fetchval("SELECT count(*) FROM crmd.jobs WHERE type = 'tick-tock'")
    assert len(fired) == len(set(fired)) == jobs
    assert set(fired) ^ wanted == set()

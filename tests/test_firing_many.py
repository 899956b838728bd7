"""Many schedules at once: each tick is a job, whatever is killed, set back or broken meanwhile."""

from __future__ import annotations

import asyncio
import itertools
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import anyio
import pytest

from crmd.engine import scheduler
from crmd.engine.scheduler import schedule_once
from crmd.model import Schedule
from crmd.scheduling import NewSchedule
from crmd.store import schedules
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg

    from crmd.config.loading import Config

    Pool = asyncpg.Pool[asyncpg.Record]

SQL = load_queries("crmd.testing")
START = datetime(2026, 3, 2, 12, tzinfo=UTC)
ZONES = [
    "UTC", "America/New_York", "America/Los_Angeles", "America/Sao_Paulo", "America/St_Johns", "America/Chicago",
    "America/Denver", "Europe/London", "Europe/Zurich", "Europe/Athens", "Europe/Istanbul", "Africa/Casablanca",
    "Africa/Lagos", "Asia/Tehran", "Asia/Kolkata", "Asia/Kathmandu", "Asia/Beirut", "Asia/Tokyo", "Asia/Shanghai",
    "Australia/Lord_Howe", "Australia/Sydney", "Pacific/Auckland", "Pacific/Apia", "Pacific/Honolulu",
]  # fmt: skip
# Some hit the changes of their zones: 2:30 in New York, Zurich, Lord Howe; midnight in Beirut; and a fixed hour.
YEAR = [("0 9 * * *", zone) for zone in ZONES] + [
    ("30 2 * * *", "America/New_York"), ("30 2 * * *", "Europe/Zurich"), ("30 1 * * *", "Europe/London"),
    ("15 2 * * *", "Australia/Lord_Howe"), ("0 0 * * *", "Asia/Beirut"), ("*/45 2 * * *", "America/New_York"),
]  # fmt: skip
DIES_INSIDE = """
import asyncio, sys
import asyncpg
from crmd.engine import scheduler

async def main():
    scheduler.BATCH = 100
    original = scheduler._fire_together

    async def fire_together(connection, decided):
        await original(connection, decided)
        if await connection.fetchval("SELECT count(*) FROM crmd.tick") >= 300:
            print("inside", flush=True)
            await asyncio.Event().wait()

    scheduler._fire_together = fire_together
    async with asyncpg.create_pool(sys.argv[1], min_size=0) as pool:
        while True:
            await scheduler.schedule_once(pool)

asyncio.run(main())
"""


@pytest.fixture
async def frozen(database: Pool) -> Pool:
    """A database at noon of a Monday in March, with one job type."""
    await database.execute(SQL.clock_inject)
    await database.execute(SQL.clock_freeze, START)
    await database.execute("INSERT INTO crmd.job_type (name, plugin, queue) VALUES ('digest', 'test', 'normal')")
    return database


async def make(pool: Pool, times: Iterable[tuple[str, str]], **options: Any) -> None:  # noqa: ANN401 - of a Schedule
    """Make schedules n0, n1, … and plan them."""
    new = [
        NewSchedule(
            name=f"n{number}", job_type="digest", when=Schedule(expression=expression, timezone=zone, **options)
        )
        for number, (expression, zone) in enumerate(times)
    ]
    await schedules.schedule(pool, *new)
    await until_dry(pool)


async def until_dry(pool: Pool) -> None:
    """Fire until nothing is due."""
    while await pool.fetchval("SELECT EXISTS (SELECT FROM crmd.schedule WHERE next_due_at <= crmd.clock())"):
        await schedule_once(pool)


async def at(pool: Pool, instant: datetime) -> None:
    """Let it be that instant, and let two daemons look."""
    await pool.execute(SQL.clock_freeze, instant)
    await asyncio.gather(schedule_once(pool), schedule_once(pool))
    await until_dry(pool)


async def jobs(pool: Pool) -> int:
    """How many jobs there are, each of a tick of its own."""
    rows = await pool.fetchrow(
        "SELECT count(*) AS jobs, count(DISTINCT (meta ->> 'scheduleId', meta ->> 'dueAt')) AS slots, "
        "(SELECT count(*) FROM crmd.tick WHERE job_id IS NOT NULL) AS ticks FROM crmd.job"
    )
    assert rows is not None
    assert rows["jobs"] == rows["slots"] == rows["ticks"]
    return int(rows["jobs"])


async def test_a_day_in_24_zones_fires_each_once(frozen: Pool) -> None:
    """Twenty schedules for 9:00 in each of 24 zones fire once each in a day, at 9:00 on their clock, and spread."""
    await make(frozen, [("0 9 * * *", zone) for zone in ZONES * 20], spread_seconds=600)
    for quarter in range(1, 97):
        await at(frozen, START + timedelta(minutes=15 * quarter))
    assert await jobs(frozen) == 480
    rows = await frozen.fetch(
        "SELECT s.timezone, t.due_at, extract(epoch FROM j.run_at - t.due_at)::float8 AS delay "
        "FROM crmd.tick t JOIN crmd.schedule s ON s.id = t.schedule_id JOIN crmd.job j ON j.id = t.job_id"
    )
    assert {row["due_at"].astimezone(ZoneInfo(row["timezone"])).strftime("%H:%M") for row in rows} == {"09:00"}
    assert all(0 <= row["delay"] < 600 for row in rows)
    assert len({row["delay"] for row in rows}) > 470


async def test_hashed_times_are_each_ones_own(frozen: Pool) -> None:
    """Schedules with `H` share an expression and not their times, planned together or each alone."""
    await make(frozen, [("H H * * *", "UTC")] * 40)
    rows = await frozen.fetch("SELECT id, expression, timezone, offset_seconds, next_due_at FROM crmd.schedule")
    assert len({row["next_due_at"] for row in rows}) > 35
    assert all(schedules.timetable_of(dict(row)).next_after(START) == row["next_due_at"] for row in rows)


@pytest.mark.slow
async def test_a_year_fires_once_a_local_day(frozen: Pool) -> None:
    """Over a year each schedule fires once on each local day, at its time or at the end of the gap that skips it."""
    await make(frozen, YEAR, overlap="allow")
    for half_day in range(1, 365 * 2 + 1):
        await frozen.execute(SQL.clock_freeze, START + timedelta(hours=12 * half_day))
        await schedule_once(frozen)
    rows = await frozen.fetch("SELECT schedule_id, due_at FROM crmd.tick ORDER BY schedule_id, due_at")
    for number, (expression, zone) in enumerate(YEAR):
        local = [row["due_at"].astimezone(ZoneInfo(zone)) for row in rows if row["schedule_id"] == f"n{number}"]
        days = [tick.date() for tick in local]
        minute, hour = expression.split()[:2]
        if minute.isdigit():
            off = [tick for tick in local if (tick.hour, tick.minute) != (int(hour), int(minute))]
            assert len(off) == (hour != "9"), (expression, zone, off)  # the day whose gap skips it
            assert days == [days[0] + timedelta(days=n) for n in range(len(days))]
        assert len(set(days)) in {365, 366}, (expression, zone)
    assert await jobs(frozen) == len(rows)


async def test_a_killed_daemon_loses_and_doubles_nothing(frozen: Pool, crmd_config: Config) -> None:
    """Killed with its jobs inserted and not committed, a daemon leaves its part to the others: each fires once."""
    await make(frozen, [("0 9 * * *", "UTC")] * 1000)
    await frozen.execute(SQL.clock_freeze, START + timedelta(days=1))
    assert crmd_config.database.dsn is not None
    arguments = (sys.executable, "-c", DIES_INSIDE, crmd_config.database.dsn.reveal())
    async with await anyio.open_process(arguments, stderr=None) as daemon:
        assert daemon.stdout is not None
        assert (await daemon.stdout.receive()).strip() == b"inside"
        daemon.kill()
        await daemon.wait()
    assert await frozen.fetchval("SELECT count(*) FROM crmd.tick") == 200
    await until_dry(frozen)
    assert await jobs(frozen) == 1000


async def test_a_clock_that_steps_back_fires_nothing_again(frozen: Pool) -> None:
    """A day back, and an hour at a time forward again: no slot is fired twice, and the next one comes as always."""
    await make(frozen, [("0 * * * *", zone) for zone in ZONES], overlap="allow", catch_up="all")
    await at(frozen, START + timedelta(hours=24))
    fired = await jobs(frozen)
    for hour in range(25):
        await at(frozen, START + timedelta(hours=hour))
        await frozen.execute("UPDATE crmd.schedule SET next_due_at = crmd.clock()")  # even if it is looked at
    assert await jobs(frozen) == fired
    await at(frozen, START + timedelta(hours=25))
    assert await jobs(frozen) == fired + len(ZONES)


async def test_the_row_of_a_tick_is_its_proof(frozen: Pool) -> None:
    """Set back by whatever means, a schedule fires no slot again whose row stands; without the row it would."""
    await make(frozen, [("0 9 * * *", "UTC")] * 3, overlap="allow")
    for jobs_wanted, is_proof_lost in ((3, False), (3, True), (6, False)):
        await frozen.execute("UPDATE crmd.schedule SET last_due_at = $1, next_due_at = $1", START)
        await at(frozen, START + timedelta(days=1))
        assert await frozen.fetchval("SELECT count(*) FROM crmd.job") == jobs_wanted
        if is_proof_lost:
            await frozen.execute("DELETE FROM crmd.tick")


@pytest.mark.parametrize("bad", [1, 7])
async def test_what_cannot_be_fired_stands_alone(frozen: Pool, monkeypatch: pytest.MonkeyPatch, bad: int) -> None:
    """Among a hundred, those whose job the database refuses are found by halving and set aside; the others fire."""
    await make(frozen, [("0 9 * * *", "UTC")] * 100)
    names = [f"n{number}" for number in range(3, 3 + 13 * bad, 13)]
    await frozen.execute(
        "ALTER TABLE crmd.job ADD CONSTRAINT no_bad CHECK (NOT coalesce((payload ->> 'bad')::bool, false))"
    )
    await frozen.execute("UPDATE crmd.schedule SET payload = '{\"bad\": true}' WHERE id = ANY ($1)", names)
    calls = itertools.count()
    original = scheduler._fire_together

    async def counted(*arguments: Any) -> None:  # noqa: ANN401 - as it is called
        next(calls)
        await original(*arguments)

    monkeypatch.setattr(scheduler, "_fire_together", counted)
    await frozen.execute(SQL.clock_freeze, START + timedelta(days=1))
    await schedule_once(frozen)
    assert await jobs(frozen) == 100 - bad
    rows = await frozen.fetch("SELECT id, error FROM crmd.schedule WHERE error IS NOT NULL")
    assert {row["id"] for row in rows} == set(names)
    assert {row["error"] for row in rows} == {"its job cannot be enqueued (SQLSTATE 23514)"}
    assert next(calls) <= 2 * bad * 7 + 1
    await schedules.schedule(
        frozen, NewSchedule(name=names[0], job_type="digest", when=Schedule(expression="0 9 * * *"))
    )
    await schedule_once(frozen)
    assert await jobs(frozen) == 100 - bad + 1


async def test_a_lost_job_type_sets_aside_its_own(frozen: Pool) -> None:
    """Schedules of a job type that is gone are set aside in one go; the others fire."""
    await make(frozen, [("0 9 * * *", "UTC")] * 50)
    await frozen.execute("UPDATE crmd.schedule SET job_type = 'gone' WHERE id <> 'n7'")
    await frozen.execute(SQL.clock_freeze, START + timedelta(days=1))
    await schedule_once(frozen)
    assert await jobs(frozen) == 1
    errors = await frozen.fetchval("SELECT count(*) FROM crmd.schedule WHERE error LIKE '%gone%'")
    assert errors == 49


async def test_expiry_and_payload_version_hold_for_scheduled_jobs(frozen: Pool) -> None:
    """A scheduled job lapses as its type says, and is marked with the version its payload was written in."""
    await frozen.execute("UPDATE crmd.job_type SET expires_seconds = 60, payload_version = 2")
    await make(frozen, [("0 9 * * *", "UTC")])
    await frozen.execute("UPDATE crmd.job_type SET payload_version = 3")
    await at(frozen, START + timedelta(days=1))
    row = await frozen.fetchrow(
        "SELECT expires_at - run_at AS lapse, meta ->> 'payloadVersion' AS version FROM crmd.job"
    )
    assert row is not None
    assert (row["lapse"], row["version"]) == (timedelta(seconds=60), "2")


@pytest.mark.parametrize("analyzed", [False, True])
async def test_a_look_uses_its_index(frozen: Pool, analyzed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Looking for what is due reads the index, however many schedules are not due or rest."""
    await make(frozen, [("0 9 * * *", zone) for zone in ZONES * 100])
    if analyzed:
        await frozen.execute("ANALYZE crmd.schedule")
    for name, arguments in (("schedules_due", (5000,)), ("schedules_next", ())):
        text = getattr(load_queries("crmd.store"), name)
        plan = await frozen.fetchval(f"EXPLAIN (FORMAT JSON, COSTS OFF) {text}", *arguments)
        assert "schedule_due" in plan, plan
        assert "Seq Scan on schedule" not in plan

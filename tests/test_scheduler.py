from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import anyio
import asyncpg
import pytest

import crmd
from crmd.engine.heartbeat import register
from crmd.engine.scheduler import schedule_once
from crmd.store import leases, schedules
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from crmd.testing import Workbench

SQL = load_queries("crmd.store")


class Tick(crmd.Payload, frozen=True):
    """Nothing that a schedule would have to give."""

    word: str = ""


@crmd.job("skips", schedule=crmd.Schedule(expression="* * * * *", overlap="skip"))
async def skips(ctx: crmd.Context) -> None:
    """One at a time; ticks in between are booked as skipped."""


@crmd.job("queues-one", schedule=crmd.Schedule(expression="* * * * *", overlap="queue_one"))
async def queues_one(ctx: crmd.Context) -> None:
    """One runs and one waits."""


@crmd.job("allows", schedule=crmd.Schedule(expression="* * * * *", overlap="allow"), aliases=("allowed",))
async def allows(ctx: crmd.Context) -> None:
    """Each tick is a job."""


@crmd.job(
    "catches-all", schedule=crmd.Schedule(expression="* * * * *", catch_up="all", catch_up_max=3, overlap="allow")
)
async def catches_all(ctx: crmd.Context) -> None:
    """Makes up for three missed ticks."""


@crmd.job("catches-none", schedule=crmd.Schedule(expression="*/10 * * * *", catch_up="skip", overlap="allow"))
async def catches_none(ctx: crmd.Context) -> None:
    """Makes up for none."""


pytestmark = pytest.mark.crmd_plugins(sys.modules[__name__])
RUNTIME = """
INSERT INTO crmd.schedule (id, job_type, expression, origin, overlap, next_due_at, updated_at)
VALUES ($1, $2, $3, 'runtime', $4, crmd.clock(), crmd.clock())
"""


async def jobs_of(workbench: Workbench, job_type: str) -> int:
    """How many jobs of a type wait or run."""
    count: int = await workbench._pool.fetchval(
        "SELECT count(*) FROM crmd.jobs WHERE type = $1 AND finished_at IS NULL", job_type
    )
    return count


async def minutes(workbench: Workbench, count: int) -> None:
    """Let so many minutes pass, and look each time."""
    for _ in range(count):
        await workbench.clock.advance(60)
        await workbench.tick()


async def claim(workbench: Workbench, job_type: str) -> Any:  # noqa: ANN401 - a row of claim_one.sql
    """Start the waiting job of a type and leave it running."""
    pool = workbench._pool
    job_id = await pool.fetchval("SELECT id FROM crmd.job WHERE type = $1", job_type)
    daemon_id = await register(pool, "test", ["normal"], 3600)
    [row] = await leases.claim_one(pool, daemon_id, job_id, leases.new_claim_id())
    return row


async def test_skip_books_what_it_skips(workbench: Workbench) -> None:
    """While one job of a schedule is unfinished, further ticks make none and say why."""
    await minutes(workbench, 3)
    assert await jobs_of(workbench, "skips") == 1
    reasons = await workbench._pool.fetch(
        "SELECT job_id, reason FROM crmd.tick WHERE schedule_id LIKE '%/skips' ORDER BY due_at"
    )
    assert [(row["job_id"] is None, row["reason"]) for row in reasons] == [
        (False, None), (True, "the job of an earlier tick is unfinished"),
        (True, "the job of an earlier tick is unfinished"),
    ]  # fmt: skip


async def test_queue_one_lets_one_wait_behind_the_running(workbench: Workbench) -> None:
    """One job runs, one waits, and no third is made."""
    await minutes(workbench, 1)
    row = await claim(workbench, "queues-one")
    await workbench._pool.execute(SQL.unique_started, [row["id"]], [row["unique_key"]])
    await minutes(workbench, 3)
    assert await jobs_of(workbench, "queues-one") == 2


async def test_allow_makes_a_job_per_tick(workbench: Workbench) -> None:
    """Overlap allowed, each tick is a job."""
    await minutes(workbench, 3)
    assert await jobs_of(workbench, "allows") == 3


async def test_missed_ticks_are_made_up_as_told(workbench: Workbench) -> None:
    """After ten silent minutes: the last tick, the last three, or none that is older than a minute."""
    await workbench._pool.execute("UPDATE crmd.schedule SET last_due_at = next_due_at - interval '1 s'")
    seconds = await workbench._pool.fetchval(
        "SELECT extract(epoch FROM next_due_at - crmd.clock())::float8 + 395 FROM crmd.schedule"
        " WHERE id LIKE '%/catches-none'"
    )
    await workbench.clock.advance(seconds + 600)
    await workbench.tick()
    counts = {name: await jobs_of(workbench, name) for name in ("allows", "catches-all", "catches-none")}
    assert counts == {"allows": 1, "catches-all": 3, "catches-none": 0}


async def test_daemons_that_look_together_fire_once(workbench: Workbench) -> None:
    """Eight schedulers at once make one job per tick, ten ticks long."""
    for _ in range(10):
        await workbench.clock.advance(60)
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(schedule_once, workbench.everything.pools.plugins)
    assert await jobs_of(workbench, "allows") == 10


async def test_one_slot_fires_once_however_often_it_is_fired(workbench: Workbench) -> None:
    """crmd.fire of the same slot by many at once answers true to one of them."""
    pool = workbench.everything.pools.plugins
    [slot] = await pool.fetch("SELECT id, next_due_at FROM crmd.schedule WHERE id LIKE '%/allows'")
    fired: list[bool] = []

    async def fire() -> None:
        fired.append(await pool.fetchval("SELECT crmd.fire($1, $2, $2)", slot["id"], slot["next_due_at"]))

    async with anyio.create_task_group() as tasks:
        for _ in range(12):
            tasks.start_soon(fire)
    assert sorted(fired) == [False] * 11 + [True]
    assert await jobs_of(workbench, "allows") == 1


async def test_a_broken_schedule_stays_alone(workbench: Workbench) -> None:
    """What cannot be read, or has a job type that is gone, is set aside with its reason; the others fire."""
    await workbench._pool.execute(RUNTIME, "runtime/gone", "no-such-job", "* * * * *", "allow")
    await workbench._pool.execute(RUNTIME, "runtime/nonsense", "allows", "when it rains", "allow")
    await minutes(workbench, 2)
    rows = await workbench._pool.fetch("SELECT id, error FROM crmd.schedule WHERE error IS NOT NULL ORDER BY id")
    assert [row["id"] for row in rows] == ["runtime/gone", "runtime/nonsense"]
    assert "no-such-job" in rows[0]["error"]
    assert await jobs_of(workbench, "allows") == 2


async def test_a_lock_sets_no_schedule_aside(workbench: Workbench) -> None:
    """A schedule whose firing waits too long for somebody's lock is fired later, not broken."""
    await workbench._pool.execute("DELETE FROM crmd.schedule WHERE id NOT LIKE '%/allows'")
    await workbench.clock.advance(60)
    async with workbench.everything.pools.plugins.acquire() as other, other.transaction():
        await other.execute("LOCK TABLE crmd.tick IN ACCESS EXCLUSIVE MODE")
        async with workbench._pool.acquire() as connection:
            await connection.execute("SET lock_timeout = '50ms'")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await schedule_once(_Only(connection))  # type: ignore[arg-type]  # a pool of this one connection
    await workbench.tick()
    assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.schedule WHERE error IS NOT NULL") == 0
    assert await jobs_of(workbench, "allows") == 1


async def test_an_alias_heeds_overlap_too(workbench: Workbench) -> None:
    """A schedule that names its job type by an alias still skips while one is unfinished."""
    await workbench._pool.execute("DELETE FROM crmd.schedule")
    await workbench._pool.execute(RUNTIME, "runtime/alias", "allowed", "* * * * *", "skip")
    await minutes(workbench, 3)
    assert await jobs_of(workbench, "allows") == 1


async def test_a_resumed_schedule_makes_up_for_nothing(workbench: Workbench) -> None:
    """Paused, nothing fires; resumed, it goes on from the next slot."""
    schedule_id = await workbench._pool.fetchval("SELECT id FROM crmd.schedule WHERE id LIKE '%/allows'")
    await workbench._pool.fetchval(SQL.schedule_pause, schedule_id, True, False)
    await minutes(workbench, 3)
    assert await jobs_of(workbench, "allows") == 0
    await workbench._pool.fetchval(SQL.schedule_pause, schedule_id, False, False)
    await workbench.tick()
    assert await jobs_of(workbench, "allows") == 0
    await minutes(workbench, 1)
    assert await jobs_of(workbench, "allows") == 1


async def test_a_pause_is_made_up_for_when_asked(workbench: Workbench) -> None:
    """Resumed with make-up, the ticks of the pause become what the schedule's catch-up says."""
    await workbench._pool.execute("UPDATE crmd.schedule SET is_paused = true WHERE id LIKE '%/catches-all'")
    await minutes(workbench, 5)
    schedule_id = await workbench._pool.fetchval("SELECT id FROM crmd.schedule WHERE id LIKE '%/catches-all'")
    assert await schedules.set_paused(workbench._pool, schedule_id, is_paused=False, is_made_up=True)
    await workbench.tick()
    assert await jobs_of(workbench, "catches-all") == 3
    assert not await schedules.set_paused(workbench._pool, "nobody", is_paused=True)


async def test_a_backfill_fires_what_was_skipped(workbench: Workbench) -> None:
    """Ticks that overlap had skipped are fired by a backfill, each once, with their window told; fired ones are not."""
    await minutes(workbench, 4)
    pool = workbench.everything.pools.plugins
    row = await schedules.show(pool, await pool.fetchval("SELECT id FROM crmd.schedule WHERE id LIKE '%/skips'"))
    assert row is not None
    booked = await pool.fetch("SELECT due_at FROM crmd.tick WHERE schedule_id = $1 ORDER BY due_at", row["id"])
    ticks = [tick["due_at"] for tick in booked]
    assert await schedules.booked(pool, row["id"], ticks) == {ticks[0]}
    assert {fired["due_at"] for fired in await schedules.backfill(pool, row, ticks)} == set(ticks[1:])
    assert await schedules.backfill(pool, row, ticks) == []
    assert await jobs_of(workbench, "skips") == 4
    metas = await pool.fetch("SELECT meta FROM crmd.job WHERE type = 'skips' ORDER BY meta ->> 'dueAt'")
    assert [meta["meta"]["isBackfilled"] for meta in metas] == [False, True, True, True]
    assert metas[2]["meta"]["previousDueAt"] == metas[1]["meta"]["dueAt"]
    assert (
        await pool.fetchval("SELECT count(*) FROM crmd.tick WHERE reason IS NOT NULL AND schedule_id = $1", row["id"])
        == 0
    )


async def test_a_limit_that_rejects_is_told_with_the_tick(workbench: Workbench) -> None:
    """A job type that acts on a full limit is asked for each tick; one that is rejected has no job, and says why."""
    await workbench._pool.execute(
        "UPDATE crmd.job_type SET has_collisions = true; DROP FUNCTION IF EXISTS crmd.admit_collisions; "
        "CREATE FUNCTION crmd.admit_collisions(p_type text, p_lanes text[]) RETURNS boolean[] LANGUAGE sql "
        "AS 'SELECT array_fill(p_type <> ''allows'', ARRAY[cardinality(p_lanes)])'"
    )
    await minutes(workbench, 2)
    assert await jobs_of(workbench, "skips") == 1
    assert await jobs_of(workbench, "allows") == 0
    rows = await workbench._pool.fetch("SELECT job_id, reason FROM crmd.tick WHERE schedule_id LIKE '%/allows'")
    assert [(row["job_id"], row["reason"]) for row in rows] == [(None, "a limit of its job type is full")] * 2


class _Only:
    """A pool that has only this one connection."""

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - a connection
        self.connection = connection

    def acquire(self) -> _Only:
        return self

    async def fetchval(self, query: str) -> Any:  # noqa: ANN401 - a value
        return await self.connection.fetchval(query)

    async def __aenter__(self) -> Any:  # noqa: ANN401 - a connection
        return self.connection

    async def __aexit__(self, *_: object) -> None:
        """It is given back by whoever took it."""

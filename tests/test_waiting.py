"""Jobs that sleep or wait for an event: without a slot or a lease, woken once, by the first event."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import anyio
import durable_plugin
import pytest
from durable_jobs import CALLS, PROGRAM, called

import crmd
from crmd.store import jobs, leases, steps

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from uuid import UUID

    import asyncpg

    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(durable_plugin)
EMIT = "SELECT crmd.emit('approved', jsonb_build_object('number', $1::int, 'by', $2::text), $3)"


@pytest.fixture(autouse=True)
def nothing_called() -> Iterator[None]:
    """Each test counts for itself."""
    CALLS.clear()
    PROGRAM.clear()
    yield
    PROGRAM.clear()


async def waiting_job(workbench: Workbench, number: int = 7, workspace_id: UUID | None = None) -> UUID:
    """A job that waits for the event of its number."""
    enqueued = await workbench.enqueue("waits", {"number": number}, workspace_id=workspace_id)
    assert (await workbench.attempt(enqueued.id)).status == "scheduled"
    return enqueued.id


async def emit(workbench: Workbench, number: int, by: str = "somebody", workspace_id: UUID | None = None) -> None:
    """Emit from outside of any job."""
    pool = workbench.everything.pools.control
    await pool.execute(EMIT, number, by, workspace_id or workbench.workspace_id)


async def test_a_sleeping_job_leaves_and_comes_back(workbench: Workbench) -> None:
    """A sleep gives the slot, the lease and the attempt back; the job goes on behind it when its time has come."""
    enqueued = await workbench.enqueue("sleeps", {"number": 3600})
    asleep = await workbench.attempt(enqueued.id)
    assert (asleep.status, asleep.attempt) == ("scheduled", 0)
    assert await workbench.everything.pools.control.fetchval("SELECT count(*) FROM crmd.lease") == 0
    await workbench.clock.advance(3500)
    assert await workbench.drain() == []
    await workbench.clock.advance(101)
    [done] = await workbench.drain()
    assert (done.status, done.result, done.attempt) == ("completed", "slept", 1)
    assert (CALLS["before"], CALLS["after"]) == (1, 1)


async def test_a_job_woken_early_sleeps_on(workbench: Workbench) -> None:
    """Whoever makes a sleeping job due does not cut its sleep short."""
    enqueued = await workbench.enqueue("sleeps", {"number": 3600})
    await workbench.attempt(enqueued.id)
    await workbench.everything.pools.control.execute(
        "UPDATE crmd.job SET run_at = crmd.clock(), rank_at = crmd.clock()"
    )
    assert (await workbench.attempt(enqueued.id)).status == "scheduled"
    assert CALLS["after"] == 0


async def test_a_sleep_until_an_instant(workbench: Workbench) -> None:
    """An instant that is over is no sleep, one to come is slept for; a naive one is refused."""
    await workbench.clock.freeze(datetime(2026, 5, 1, tzinfo=UTC))

    async def handler(ctx: crmd.Context) -> str:
        await ctx.sleep(until=datetime(2026, 4, 1, tzinfo=UTC))
        await ctx.sleep(until=datetime(2026, 5, 2, tzinfo=UTC))
        return "done"

    async def naive(ctx: crmd.Context) -> None:
        await ctx.sleep(until=datetime(2026, 5, 2))  # noqa: DTZ001 - the mistake

    PROGRAM["handler"] = handler
    asleep = await workbench.run_job("as-told")
    row = await jobs.show(workbench.everything.pools.control, asleep.id)
    assert row is not None
    assert row["run_at"] == datetime(2026, 5, 2, tzinfo=UTC)
    assert b'"sleep#2"' in row["waits_for"].replace(b" ", b"")
    PROGRAM["handler"] = naive
    assert (await workbench.run_job("as-told")).status == "failed"


async def test_a_short_sleep_keeps_its_slot(workbench: Workbench) -> None:
    """Up to a second is slept in place, and once."""

    async def handler(ctx: crmd.Context) -> str:
        await ctx.sleep(0.01)
        return "done"

    PROGRAM["handler"] = handler
    assert (await workbench.run_job("as-told")).result == "done"


async def test_an_event_wakes_the_job_that_waits_for_it(workbench: Workbench) -> None:
    """The first event that matches makes the job due at once and is what the wait answers; others are not for it."""
    job_id = await waiting_job(workbench)
    await emit(workbench, 8)
    await workbench.everything.pools.control.execute("SELECT crmd.emit('other', '{\"number\": 7}')")
    assert await workbench.drain() == []
    await emit(workbench, 7, "first")
    await emit(workbench, 7, "second")
    [done] = await workbench.drain()
    assert (done.id, done.status, done.result) == (job_id, "completed", {"number": 7, "by": "first"})
    assert await workbench.everything.pools.control.fetchval("SELECT count(*) FROM crmd.waiting") == 0


async def test_a_wait_ends_with_its_time(workbench: Workbench) -> None:
    """Without an event the wait answers None when its time is over, in every later attempt as well."""
    job_id = await waiting_job(workbench)
    await workbench.clock.advance(86401)
    [done] = await workbench.drain()
    assert (done.id, done.status, done.result) == (job_id, "completed", None)


async def test_an_event_before_the_wait_counts_from_the_first_start(workbench: Workbench) -> None:
    """What was emitted between the job's first start and its wait is not missed; what came before is not its."""
    await emit(workbench, 1, "too early")
    seen: list[object] = []

    async def handler(ctx: crmd.Context) -> None:
        await ctx.step("ask", called, "ask")
        if ctx.job.attempt == 1:
            await emit(workbench, 1, "quick")
            raise crmd.RetryJob("cut")
        event = await ctx.wait_for_event("approved", match={"number": 1})
        seen.append(event and event.data["by"])

    PROGRAM["handler"] = handler
    await workbench.enqueue("as-told")
    await workbench.drain(is_time_moved=True)
    assert seen == ["quick"]


async def test_no_event_is_handed_out_twice(workbench: Workbench) -> None:
    """A job that waits for the same again gets the next event, not the one that it has had."""

    async def handler(ctx: crmd.Context) -> list[str]:
        return [event.data["by"] for _ in range(3) if (event := await ctx.wait_for_event("approved")) is not None]

    PROGRAM["handler"] = handler
    enqueued = await workbench.enqueue("as-told")
    await workbench.attempt(enqueued.id)
    for name in ("one", "two", "three"):
        await emit(workbench, 1, name)
        await workbench.drain()
    assert (await workbench.finished(enqueued.id)).result == ["one", "two", "three"]


async def test_a_workspace_waits_for_its_own_events(workbench: Workbench) -> None:
    """An event of another workspace wakes nobody here, neither when it comes nor when a wait looks back."""
    job_id = await waiting_job(workbench)
    await emit(workbench, 7, "stranger", uuid4())
    assert await workbench.drain() == []
    await steps.sweep_waiting(workbench.everything.pools.control, 100)
    assert await workbench.drain() == []
    await emit(workbench, 7, "own")
    [done] = await workbench.drain()
    assert (done.id, done.result["by"]) == (job_id, "own")


async def test_an_emitter_that_commits_late_is_heard(
    workbench: Workbench, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    """An emitter that began before the wait was registered and commits afterwards sees no wait, nor the wait it."""
    async with outside.transaction():
        enqueued = await workbench.enqueue("waits", {"number": 7})
        pool = workbench.everything.pools.control
        rows = await claimed(workbench, enqueued.id)
        await outside.execute(EMIT, 7, "late", workbench.workspace_id)
        await ran(workbench, rows)
        await steps.sweep_waiting(pool, 100)
        assert await workbench.drain() == []
    assert await workbench.drain() == []
    await steps.sweep_waiting(pool, 100)
    [done] = await workbench.drain()
    assert done.result == {"number": 7, "by": "late"}


async def test_a_wait_looks_back_until_it_is_sure(
    workbench: Workbench, outside: asyncpg.Connection[asyncpg.Record]
) -> None:
    """As long as a transaction is open that may have missed the wait it stays unsure, and then no longer."""
    pool = workbench.everything.pools.control
    unsure = "SELECT count(*) FROM crmd.waiting WHERE NOT is_sure"
    async with outside.transaction():
        await outside.execute("SELECT pg_current_xact_id()")
        await waiting_job(workbench)
        await workbench.clock.advance(60)
        for _ in range(3):
            await steps.sweep_waiting(pool, 100)
        assert await pool.fetchval(unsure) == 1
    await steps.sweep_waiting(pool, 100)
    assert await pool.fetchval(unsure) == 0


async def test_an_event_while_the_job_still_runs_is_not_lost(workbench: Workbench) -> None:
    """An event that comes between the wait's registration and the job's way back makes it due at once."""
    pool = workbench.everything.pools.control

    async def handler(ctx: crmd.Context) -> object:
        try:
            event = await ctx.wait_for_event("approved", match={"number": 7})
        finally:
            if CALLS["emitted"] == 0:
                CALLS["emitted"] += 1
                await emit(workbench, 7, "in between")
        return event and event.data["by"]

    PROGRAM["handler"] = handler
    await workbench.enqueue("as-told")
    ended = [one for one in await workbench.drain() if one.status == "completed"]
    assert [one.result for one in ended] == ["in between"]
    assert await pool.fetchval("SELECT count(*) FROM crmd.waiting") == 0


async def test_an_event_does_not_cut_a_backoff_short(workbench: Workbench) -> None:
    """A job that failed on its way to its wait keeps its backoff, though its event has come."""

    async def handler(ctx: crmd.Context) -> object:
        if CALLS["waited"]:
            raise crmd.RetryJob("on the way", after_seconds=100)
        CALLS["waited"] += 1
        return await ctx.wait_for_event("approved")

    PROGRAM["handler"] = handler
    enqueued = await workbench.enqueue("as-told")
    await workbench.attempt(enqueued.id)
    await emit(workbench, 1)
    await workbench.drain()
    await steps.sweep_waiting(workbench.everything.pools.control, 100)
    assert await workbench.drain() == []
    assert (await workbench.finished(enqueued.id)).attempt == 1


async def test_a_waiting_job_says_so_and_can_be_cancelled(workbench: Workbench) -> None:
    """A job that waits tells for what, and ends at once when it is cancelled; nothing of its wait is left."""
    job_id = await waiting_job(workbench)
    pool = workbench.everything.pools.control
    row = await jobs.show(pool, job_id)
    assert row is not None
    assert b'"event": "approved"' in row["waits_for"]
    assert await jobs.cancel(pool, job_id, "not needed") == "cancelled"
    assert await pool.fetchval("SELECT count(*) FROM crmd.waiting") == 0
    await emit(workbench, 7)
    assert await workbench.drain() == []


async def test_a_cancellation_is_not_slept_over(workbench: Workbench) -> None:
    """A job that is asked to stop while it goes to sleep, or goes back for any other reason, ends as cancelled."""
    pool = workbench.everything.pools.control

    def asked(then: Callable[[crmd.Context], Awaitable[object]]) -> Callable[[crmd.Context], Awaitable[object]]:
        async def handler(ctx: crmd.Context) -> object:
            assert await jobs.cancel(pool, ctx.job.id, "not needed") == "requested"
            return await then(ctx)

        return handler

    async def snoozes(_ctx: crmd.Context) -> crmd.Snooze:
        return crmd.Snooze(3600)

    for then in (lambda ctx: ctx.sleep(3600), lambda ctx: ctx.gather(["answers"]), snoozes):
        PROGRAM["handler"] = asked(then)
        ended = await workbench.run_job("as-told")
        assert (ended.status, ended.message) == ("cancelled", "not needed")
    assert await pool.fetchval("SELECT count(*) FROM crmd.job") == 0


async def test_a_catch_all_does_not_swallow_a_wait(workbench: Workbench) -> None:
    """A handler that catches every exception around a wait still waits."""

    async def handler(ctx: crmd.Context) -> object:
        try:
            return await ctx.wait_for_event("approved", timeout_seconds=60)
        except Exception:  # noqa: BLE001 - as careless handlers do
            return "swallowed"

    PROGRAM["handler"] = handler
    assert (await workbench.run_job("as-told")).status == "scheduled"
    [done] = await workbench.drain(is_time_moved=True)
    assert done.result is None


async def test_values_match_by_what_they_are(workbench: Workbench) -> None:
    """A wait finds its event by containment, whichever of its fields leads to it."""
    pool = workbench.everything.pools.control
    wanted: list[dict[str, object]] = [
        {},
        {"number": 1},
        {"flag": True, "number": 1.0},
        {"nested": {"deep": [1]}},
        {"none": None},
        {"text": "a", "nested": {"deep": [2]}},
    ]
    for match in wanted:
        PROGRAM["handler"] = lambda ctx, match=match: ctx.wait_for_event("approved", match=match, timeout_seconds=60)
        assert (await workbench.run_job("as-told")).status == "scheduled"
    await pool.execute(
        "SELECT crmd.emit('approved', $1, $2)",
        b'{"number": 1, "flag": true, "text": "a", "none": null, "nested": {"deep": [1, 2], "more": 1}}',
        workbench.workspace_id,
    )
    assert await pool.fetchval("SELECT count(*) FROM crmd.waiting WHERE event IS NOT NULL") == len(wanted)
    assert await pool.fetchval("SELECT count(*) FROM crmd.job WHERE run_at <= crmd.clock()") == len(wanted)


async def test_many_waits_each_hear_their_own(workbench: Workbench) -> None:
    """A hundred jobs that wait for an event each: one call that emits all wakes each with its own."""
    for number in range(100):
        await waiting_job(workbench, number)
    pool = workbench.everything.pools.control
    await pool.execute(
        "SELECT crmd.emit_many('approved', ARRAY(SELECT jsonb_build_object('number', n) "
        "FROM generate_series(0, 99) n), $1)",
        workbench.workspace_id,
    )
    done = await workbench.drain()
    assert sorted(one.result["number"] for one in done) == list(range(100))


async def test_emitters_and_waiters_at_once_lose_no_event(workbench: Workbench) -> None:
    """Forty jobs that begin to wait while forty transactions emit, held open for a while: each gets its event."""
    pool = workbench.everything.pools.plugins
    chance = random.Random(11)  # noqa: S311 - an order, not a secret
    ids = {number: (await workbench.enqueue("waits", {"number": number})).id for number in range(40)}
    rows = [await claimed(workbench, job_id) for job_id in ids.values()]
    order = chance.sample(range(40), 40)

    async def emit_slowly(numbers: list[int]) -> None:
        for number in numbers:
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute(EMIT, number, "race", workbench.workspace_id)
                for _ in range(chance.randrange(5)):
                    await connection.execute("SELECT 1")

    async def wait() -> None:
        for row in rows:
            await ran(workbench, row)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        for start in range(3):
            tasks.start_soon(emit_slowly, order[start::3])
    await steps.sweep_waiting(workbench.everything.pools.control, 100)
    await workbench.drain()
    results = [(await workbench.finished(job_id)).result for job_id in ids.values()]
    assert results == [{"number": number, "by": "race"} for number in range(40)]


async def claimed(workbench: Workbench, job_id: UUID) -> object:
    """Claim a job without running it."""
    pool = workbench.everything.pools.control
    rows = await leases.claim_one(pool, workbench._daemon_id, job_id, leases.new_claim_id())
    return rows[0]


async def ran(workbench: Workbench, row: object) -> None:
    """Run a claimed job and settle it."""
    await workbench._run(row)

"""Fair turns in claims from a real queue: tenants, job types, priorities, and work that needs no key."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest

import crmd
from crmd.lanes import Turns
from crmd.store import jobs, lane_claims, leases, tuning
from crmd.store.claimed_row import whole
from crmd.store.jobs import NewJobs
from crmd.store.leases import BEGINNING
from crmd.tuning import UNTUNED

if TYPE_CHECKING:
    from crmd.model import Priority
    from crmd.testing import Workbench
    from crmd.tuning import Tuning


@crmd.job("bounded", concurrency=(crmd.Concurrency(max=3, per="workspace"), crmd.Concurrency(max=100)))
async def bounded(ctx: crmd.Context) -> None:
    """Three of a workspace at a time."""


@crmd.job("open")
async def unbounded(ctx: crmd.Context) -> None:
    """No limit."""


@crmd.job("other")
async def other(ctx: crmd.Context) -> None:
    """No limit either."""


pytestmark = pytest.mark.crmd_plugins(sys.modules[__name__])


async def enqueue(
    workbench: Workbench, job_type: str, count: int, workspace: int | None, priority: Priority | None = None
) -> None:
    """Enqueue so many jobs."""
    workspace_id = None if workspace is None else UUID(int=workspace)
    new = NewJobs(type=job_type, payloads=[b"{}"] * count, workspace_id=workspace_id, priority=priority)
    await jobs.enqueue_many(workbench.everything.pools.control, new)


async def claim(workbench: Workbench, slots: int, turns: Turns, tuned: Tuning = UNTUNED) -> list[Any]:
    """One claim of jobs with keys."""
    pool = workbench.everything.pools.control
    rows = await lane_claims.claim_lanes(pool, workbench._daemon_id, "normal", slots, turns, {}, uuid4(), tuned)
    return [whole(row) for row in rows]


async def end(workbench: Workbench, rows: list[Any]) -> None:
    """The jobs have run."""
    async with workbench.everything.pools.control.acquire() as connection:
        tokens = [leases.Token(row["id"], row["fence"], row["claim_id"]) for row in rows]
        assert await leases.settle_done(connection, tokens) == len(rows)


async def test_a_busy_tenant_does_not_starve_another(workbench: Workbench) -> None:
    """A workspace with ten jobs, enqueued last, is done after a few claims, while one with a thousand goes on."""
    await enqueue(workbench, "bounded", 1000, 1)
    await enqueue(workbench, "bounded", 10, 2)
    turns, started = Turns(), Counter[UUID]()
    for _ in range(4):
        rows = await claim(workbench, 4, turns)
        started.update(row["workspace_id"] for row in rows)
        assert max(Counter(row["workspace_id"] for row in rows).values()) <= 3
        await end(workbench, rows)
    assert started[UUID(int=2)] >= 6
    assert started[UUID(int=1)] >= 6


async def test_tenants_take_turns_where_no_limit_is_declared(workbench: Workbench) -> None:
    """Jobs of a type without limits are fair too: the workspace alone makes a lane."""
    await enqueue(workbench, "open", 500, 1)
    await enqueue(workbench, "open", 10, 2)
    rows = await claim(workbench, 20, Turns())
    assert Counter(row["workspace_id"].int for row in rows) == {1: 10, 2: 10}


async def test_job_types_of_one_tenant_take_turns(workbench: Workbench) -> None:
    """Inside a workspace a type with many jobs, enqueued first, leaves turns to another."""
    await enqueue(workbench, "open", 500, 1)
    await enqueue(workbench, "other", 10, 1)
    rows = await claim(workbench, 20, Turns())
    assert Counter(row["type"] for row in rows) == {"open": 10, "other": 10}


async def test_each_tenant_has_its_turn_before_any_has_a_second(workbench: Workbench) -> None:
    """With fewer slots than lanes, the round goes on where it stopped."""
    for workspace in range(1, 8):
        await enqueue(workbench, "bounded", 5, workspace)
    turns, started = Turns(), []
    for _ in range(7):
        [row] = rows = await claim(workbench, 1, turns)
        started.append(row["workspace_id"].int)
        await end(workbench, rows)
    assert sorted(started) == list(range(1, 8))


async def test_a_tenant_of_more_weight_gets_more(workbench: Workbench) -> None:
    """A weight that an operator sets is read live, and is the workspace's share of the turns."""
    pool = workbench.everything.pools.control
    await tuning.tune(pool, f"workspace/{UUID(int=1)}", reason="pays for it", weight=3.0)
    tuned = await tuning.read(pool)
    await enqueue(workbench, "open", 500, 1)
    await enqueue(workbench, "open", 500, 2)
    rows = await claim(workbench, 80, Turns(), tuned)
    assert Counter(row["workspace_id"].int for row in rows)[1] == pytest.approx(60, abs=4)


async def test_critical_work_does_not_wait_for_a_round(workbench: Workbench) -> None:
    """A critical job of the last of many lanes starts with the next claim, however many lanes have work."""
    pool = workbench.everything.pools.control
    await pool.execute(
        "SELECT crmd.enqueue('open', workspace_id => lpad(to_hex(n), 32, '0')::uuid) FROM generate_series(1, 2000) n"
    )
    turns = Turns()
    await claim(workbench, 2, turns)
    await enqueue(workbench, "open", 1, 2**120, "critical")
    await enqueue(workbench, "open", 1, 2000, "critical")
    turns._urgent_looked = 0.0  # as 50 ms later
    rows = await claim(workbench, 4, turns)
    assert {UUID(int=2**120), UUID(int=2000)} <= {row["workspace_id"] for row in rows}
    assert Counter(row["priority"] for row in rows)["critical"] == 2


@pytest.mark.parametrize("workspace", [None, 1])
async def test_low_work_never_starves(workbench: Workbench, workspace: int | None) -> None:
    """Under a steady stream of critical work a low job starts once it is older than their head start, in lanes too."""
    pool = workbench.everything.pools.control
    await enqueue(workbench, "open", 1, workspace, "low")
    turns, waited = Turns(), 0
    while waited < 60:
        await enqueue(workbench, "open", 3, workspace, "critical")
        if workspace is None:
            ready = await leases.claim_ready(pool, workbench._daemon_id, "normal", 2, BEGINNING, uuid4())
            rows = [whole(row) for row in ready]
        else:
            rows = await claim(workbench, 2, turns)
        await end(workbench, rows)
        if any(row["priority"] == "low" for row in rows):
            break
        await workbench.clock.advance(60)
        waited += 1
    assert 14 <= waited <= 40


async def test_low_work_of_one_tenant_passes_the_critical_work_of_others(workbench: Workbench) -> None:
    """Ten workspaces that enqueue nothing but critical work leave half of the turns to the one that has low work."""
    await enqueue(workbench, "open", 40, 99, "low")
    turns, started = Turns(), Counter[str]()
    for _ in range(20):
        for workspace in range(1, 11):
            await enqueue(workbench, "open", 1, workspace, "critical")
        turns._urgent_looked = 0.0
        rows = await claim(workbench, 4, turns)
        started.update(row["priority"] for row in rows)
        await end(workbench, rows)
    assert started["low"] >= 5


async def test_what_rests_costs_no_attempt_and_no_slot(workbench: Workbench) -> None:
    """Jobs of a paused type, workspace or key stay as they are, and the others have all the slots."""
    pool = workbench.everything.pools.control
    for workspace in (1, 2, 3):
        await enqueue(workbench, "open", 5, workspace)
        await enqueue(workbench, "other", 5, workspace)
    await enqueue(workbench, "other", 5, None)
    await tuning.pause(pool, "type:other", reason="breaks things", seconds=None)
    await tuning.pause(pool, f"workspace/{UUID(int=1)}", reason="asked us to", seconds=60)
    await tuning.pause(pool, f"type:open:workspace/{UUID(int=2)}", reason="too much", seconds=60)
    tuned = await tuning.read(pool)
    rows = await claim(workbench, 100, Turns(), tuned)
    assert {(row["type"], row["workspace_id"].int) for row in rows} == {("open", 3)}
    assert len(rows) == 5
    arguments = (pool, workbench._daemon_id, "normal", 100, BEGINNING, uuid4())
    assert await leases.claim_ready(*arguments, tuned.paused_types) == []
    assert await pool.fetchval("SELECT sum(attempt + crash_count) FROM crmd.job") == 0
    assert await tuning.resume(pool, "type:other")
    assert not await tuning.resume(pool, "type:other")
    await workbench.clock.advance(61)
    assert (await tuning.read(pool)).paused == set()
    assert len(await claim(workbench, 100, Turns())) + len(await leases.claim_ready(*arguments)) == 30


async def test_the_jobs_of_a_paused_type_leave_the_way_of_the_others(workbench: Workbench) -> None:
    """A type that rests gets a lane, page by page, so that a claim does not walk over what waits of it."""
    pool = workbench.everything.pools.control
    await enqueue(workbench, "other", 12, None)
    await enqueue(workbench, "other", 3, 1)
    before = await pool.fetchval("SELECT lane FROM crmd.job WHERE workspace_id IS NOT NULL LIMIT 1")
    await tuning.pause(pool, "type:other", reason="breaks things", seconds=None)
    pages = 0
    while await pool.fetchval("SELECT crmd.relane(5)"):
        pages += 1
    assert pages == 4
    rows = await pool.fetch("SELECT lane, count(*) FROM crmd.job GROUP BY lane")
    assert {row["lane"]: row["count"] for row in rows} == {"type:other": 12, before: 3}
    await enqueue(workbench, "other", 1, None)
    assert await pool.fetchval("SELECT count(*) FROM crmd.job WHERE lane = 'type:other'") == 13


async def test_a_limit_that_is_set_live_holds_for_what_waits(workbench: Workbench) -> None:
    """A limit for a type that has declared none, and for one workspace, binds jobs that waited before it was set."""
    pool = workbench.everything.pools.control
    await enqueue(workbench, "open", 9, 1)
    await enqueue(workbench, "open", 9, 2)
    await tuning.tune(pool, "type:open", reason="a slow API", most=5)
    await tuning.tune(pool, f"type:open:workspace/{UUID(int=1)}", reason="its own wish", most=1)
    while await tuning.relane(pool):
        pass
    rows = await claim(workbench, 100, Turns())
    assert Counter(row["workspace_id"].int for row in rows) == {1: 1, 2: 4}
    assert await tuning.untune(pool, "type:open")
    assert len(await claim(workbench, 100, Turns())) == 5

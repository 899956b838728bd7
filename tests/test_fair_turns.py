"""One busy tenant does not starve another: fair turns in the plan alone, and in claims from a real queue."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

import crmd
from crmd.lanes import plan_turns
from crmd.store import jobs, leases
from crmd.store.jobs import NewJobs
from crmd.store.leases import LaneTurn

if TYPE_CHECKING:
    from crmd.testing import Workbench

LANES = ("a", "b", "c", "d", "e")


@crmd.job("bounded", concurrency=(crmd.Concurrency(max=3, per="workspace"), crmd.Concurrency(max=100)))
async def bounded(ctx: crmd.Context) -> None:
    """Three of a workspace at a time."""


pytestmark = pytest.mark.crmd_plugins(sys.modules[__name__])


@given(st.integers(1, 40), st.integers(1, 9))
def test_lanes_take_fair_turns(slots: int, left: int) -> None:
    """Lanes with the same room get the same number of jobs, give or take one."""
    turns = plan_turns(LANES, [(lane, f"key of {lane}", left) for lane in LANES], slots)
    counts = [turns.get(lane, 0) for lane in LANES]
    assert max(counts) - min(counts) <= 1
    assert sum(counts) == min(slots, left * len(LANES))


async def test_a_busy_tenant_does_not_starve_another(workbench: Workbench) -> None:
    """A workspace with ten jobs, enqueued last, is done after a few claims, while one with a thousand goes on."""
    pool = workbench.everything.pools.control
    busy, small = UUID(int=1), UUID(int=2)
    for workspace_id, count in ((busy, 1000), (small, 10)):
        await jobs.enqueue_many(pool, NewJobs(type="bounded", payloads=[b"{}"] * count, workspace_id=workspace_id))
    turn = LaneTurn()
    started = Counter[UUID]()
    for _ in range(4):
        rows = await leases.claim_lanes(pool, workbench._daemon_id, "normal", 4, turn, {}, uuid4())
        started.update(row["workspace_id"] for row in rows)
        assert max(Counter(row["workspace_id"] for row in rows).values()) <= 3
        for row in rows:
            await workbench._run(row)
    assert started[small] >= 6
    assert started[busy] >= 6


async def test_the_round_goes_on_where_it_stopped(workbench: Workbench) -> None:
    """With fewer slots than lanes, each lane has its turn before any has a second."""
    pool = workbench.everything.pools.control
    workspaces = [UUID(int=number) for number in range(1, 8)]
    for workspace_id in workspaces:
        await jobs.enqueue_many(pool, NewJobs(type="bounded", payloads=[b"{}"] * 5, workspace_id=workspace_id))
    turn = LaneTurn()
    started = []
    for _ in range(len(workspaces)):
        [row] = await leases.claim_lanes(pool, workbench._daemon_id, "normal", 1, turn, {}, uuid4())
        started.append(row["workspace_id"])
        await workbench._run(row)
    assert sorted(started) == workspaces

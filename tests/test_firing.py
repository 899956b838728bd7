"""Many daemons, one schedule: the row of a slot is the proof that it fired."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import anyio
import asyncpg
import pytest

import crmd
from crmd.engine.scheduler import schedule_once

if TYPE_CHECKING:
    from crmd.testing import Workbench

DAEMONS = 6
FIRE = "SELECT crmd.fire('test_firing/hourly', date_trunc('hour', crmd.clock()), crmd.clock())"


@crmd.job("hourly", schedule=crmd.Schedule(expression="0 * * * *", overlap="allow"))
async def hourly(ctx: crmd.Context) -> None:
    """Runs on the hour; a tick beside an unfinished job is let in, so that only the slot's row stands between two."""


pytestmark = pytest.mark.crmd_plugins(sys.modules[__name__])


async def test_one_slot_fired_by_many_at_once_is_one_job(workbench: Workbench) -> None:
    """However many sessions fire the same slot at the same time, one of them makes the job."""
    await _move_to_a_tick(workbench)
    dsn = workbench.everything.config.database.dsn
    assert dsn is not None
    made: list[bool] = []

    async def fire() -> None:
        connection = await asyncpg.connect(dsn.reveal())
        try:
            made.append(await connection.fetchval(FIRE))
        finally:
            await connection.close()

    async with anyio.create_task_group() as tasks:
        for _ in range(DAEMONS):
            tasks.start_soon(fire)
    assert sorted(made) == [False] * (DAEMONS - 1) + [True]
    assert await _jobs(workbench) == 1


async def test_many_schedulers_fire_each_tick_once(workbench: Workbench) -> None:
    """Schedulers that look at the same time, tick after tick, make one job a tick."""
    for ticks in range(1, 6):
        await _move_to_a_tick(workbench)
        async with anyio.create_task_group() as tasks:
            for _ in range(DAEMONS):
                tasks.start_soon(schedule_once, workbench.everything.pools.control)
        assert await _jobs(workbench) == ticks


async def _move_to_a_tick(workbench: Workbench) -> None:
    await workbench.clock.advance(3600)


async def _jobs(workbench: Workbench) -> int:
    count: int = await workbench.everything.pools.control.fetchval(
        "SELECT count(*) FROM crmd.job WHERE type = 'hourly'"
    )
    return count

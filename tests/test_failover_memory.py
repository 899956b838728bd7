from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest
import sample_jobs

from crmd.engine.failover import Failover
from crmd.engine.run import Run
from crmd.outcome import DONE
from crmd.store import leases
from crmd.store.leases import Token
from crmd.store.timeline import Timeline

if TYPE_CHECKING:
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)
TOLD = "SELECT outcomes_lost, jobs_lost FROM crmd.failover ORDER BY seen_at"


async def test_what_one_primary_knew_the_next_may_not(workbench: Workbench) -> None:
    """An outcome that came through one failover and is lost in the next is told then, and once."""
    failover, pool = Failover(), workbench._pool
    for number in range(2):
        await workbench.enqueue("add-one", {"number": number})
    job_type = workbench.everything.services.job_types["add-one"]
    runs = [Run(row, job_type, Token(row["id"], row["fence"], row["claim_id"])) for row in await workbench._claim()]
    async with pool.acquire() as connection:
        await leases.settle_done(connection, [run.token for run in runs])
        failover.remember([(run, DONE) for run in runs], is_current=True)

        async def fail_over(number: int) -> None:
            await failover.tell(connection, workbench._daemon_id, Timeline(1, number), Timeline(1, number + 1), [])

        await fail_over(1)
        for run in runs:
            await connection.execute("DELETE FROM crmd.archive WHERE id = $1", run.token.id)
            await fail_over(2)
        told = [(list(row["outcomes_lost"]), list(row["jobs_lost"])) for row in await connection.fetch(TOLD)]
    assert told == [([], []), ([], [runs[0].token.id]), ([], [runs[1].token.id])]


async def test_what_comes_while_it_is_told_is_told_too(workbench: Workbench) -> None:
    """An outcome without an answer that comes while the losses are being told waits for the next telling."""
    failover, pool = Failover(), workbench._pool
    await workbench.enqueue("add-one", {"number": 1})
    await workbench.enqueue("add-one", {"number": 2})
    job_type = workbench.everything.services.job_types["add-one"]
    runs = [Run(row, job_type, Token(row["id"], row["fence"], row["claim_id"])) for row in await workbench._claim()]
    before, after = Timeline(1, 1), Timeline(1, 2)
    failover.remember([(runs[0], DONE)], is_current=False)
    async with pool.acquire() as connection, anyio.create_task_group() as tasks:
        tasks.start_soon(failover.tell, connection, workbench._daemon_id, before, after, [])
        await anyio.lowlevel.checkpoint()  # it asks the database
        failover.remember([(runs[1], DONE)], is_current=False)
    assert not failover.is_all_told
    async with pool.acquire() as connection:
        await failover.tell(connection, workbench._daemon_id, before, after, [])
        told = [row["stopped"] for row in await connection.fetch("SELECT stopped FROM crmd.failover ORDER BY seen_at")]
    assert (told, failover.is_all_told) == ([[runs[0].token.id], [runs[1].token.id]], True)

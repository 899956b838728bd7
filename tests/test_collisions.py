"""New jobs of a full key: they wait, are turned away, or take the place of the oldest."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from uuid import uuid4

import anyio
import pytest

import crmd
from crmd.store import jobs
from crmd.store.jobs import NewJobs

if TYPE_CHECKING:
    from uuid import UUID

    from crmd.model import Enqueued
    from crmd.testing import Workbench


class Deal(crmd.Payload, frozen=True):
    """Of which deal."""

    deal_id: int


@crmd.job("refused", concurrency=crmd.Concurrency(max=2, per="dealId", on_full="reject_new"))
async def refused(ctx: crmd.Context, payload: Deal) -> None:
    """Two of a deal, waiting or running; a third is not enqueued."""


@crmd.job("newest", concurrency=crmd.Concurrency(max=1, per="dealId", on_full="cancel_running"))
async def newest(ctx: crmd.Context, payload: Deal) -> None:
    """The newest of a deal wins."""


@crmd.job("patient", concurrency=crmd.Concurrency(max=1, per="dealId"))
async def patient(ctx: crmd.Context, payload: Deal) -> None:
    """One of a deal; the others wait."""


pytestmark = pytest.mark.crmd_plugins(sys.modules[__name__])
WORKSPACE = uuid4()
WAITS = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"


async def enqueue(workbench: Workbench, job_type: str, *deals: int) -> list[Enqueued]:
    """Enqueue a job for each deal, in one call."""
    payloads = [f'{{"dealId": {deal}}}'.encode() for deal in deals]
    new = NewJobs(type=job_type, payloads=payloads, workspace_id=WORKSPACE)
    return await jobs.enqueue_many(workbench.everything.pools.control, new)


async def statuses(workbench: Workbench, job_type: str) -> dict[UUID, str]:
    """How the jobs of a type stand, a running one that is asked to stop as `stopping`."""
    rows = await workbench.everything.pools.control.fetch(
        "SELECT id, CASE WHEN cancel_requested_at IS NULL THEN status ELSE 'stopping' END AS status "
        "FROM crmd.jobs WHERE type = $1 ORDER BY id", job_type,
    )  # fmt: skip
    return {row["id"]: row["status"] for row in rows}


async def test_a_full_key_waits_by_default(workbench: Workbench) -> None:
    """Without a word about it every job is enqueued, and those beyond the limit wait."""
    assert [one.is_new for one in await enqueue(workbench, "patient", 1, 1, 1)] == [True, True, True]
    assert not await workbench.everything.pools.control.fetchval(
        "SELECT has_collisions FROM crmd.job_type WHERE name = 'patient'"
    )


async def test_a_full_key_turns_new_jobs_away(workbench: Workbench) -> None:
    """In one call and in the next no more are enqueued than the key holds, waiting and running ones counted alike."""
    first = await enqueue(workbench, "refused", 1, 1, 1, 2)
    assert [one.answer for one in first] == ["created", "created", "rejected", "created"]
    [running] = [row for row in await workbench._claim() if row["id"] == first[0].id]
    assert [one.answer for one in await enqueue(workbench, "refused", 1, 2, 2)] == ["rejected", "created", "rejected"]
    await workbench._run(running)
    assert [one.answer for one in await enqueue(workbench, "refused", 1)] == ["created"]


async def test_the_newest_takes_the_place_of_the_oldest(workbench: Workbench) -> None:
    """A waiting job is cancelled at once, a running one asked to stop; one that is asked already counts no more."""
    [oldest] = await enqueue(workbench, "newest", 1)
    [other] = await enqueue(workbench, "newest", 2)
    await workbench._claim()
    [middle] = await enqueue(workbench, "newest", 1)
    assert await statuses(workbench, "newest") == {
        oldest.id: "stopping", other.id: "processing", middle.id: "pending",
    }  # fmt: skip
    [last] = await enqueue(workbench, "newest", 1)
    assert await statuses(workbench, "newest") == {
        oldest.id: "stopping", other.id: "processing", middle.id: "cancelled", last.id: "pending",
    }  # fmt: skip
    error = await workbench.everything.pools.control.fetchval(
        "SELECT errors -> -1 ->> 'message' FROM crmd.archive WHERE id = $1", middle.id
    )
    assert b"takes its place" in error.encode() if isinstance(error, str) else error


async def test_two_at_once_do_not_both_get_the_last_place(workbench: Workbench) -> None:
    """Transactions that enqueue at the same time count each other, whichever commits first."""
    pool = workbench.everything.pools.control
    answers: list[str] = []

    async def ask(begun: anyio.Event, go_on: anyio.Event) -> None:
        async with pool.acquire() as connection, connection.transaction():
            new = NewJobs(type="refused", payloads=[b'{"dealId": 7}'] * 2, workspace_id=WORKSPACE)
            answers.extend(one.answer for one in await jobs.enqueue_many(connection, new))
            begun.set()
            await go_on.wait()

    async with anyio.create_task_group() as tasks:
        first, second, go_on = anyio.Event(), anyio.Event(), anyio.Event()
        tasks.start_soon(ask, first, go_on)
        await first.wait()
        tasks.start_soon(ask, second, go_on)
        while not (second.is_set() or await pool.fetchval(WAITS)):
            await anyio.lowlevel.checkpoint()
        go_on.set()
    assert sorted(answers) == ["created", "created", "rejected", "rejected"]


async def test_a_limit_that_is_set_live_counts_for_collisions(workbench: Workbench) -> None:
    """What an operator allows a key is what is full."""
    await workbench.everything.pools.control.execute("SELECT crmd.tune('type:refused:dealId/1', 'test', 3)")
    answers = [one.answer for one in await enqueue(workbench, "refused", 1, 1, 1, 1, 2, 2, 2)]
    assert answers == [*["created"] * 3, "rejected", "created", "created", "rejected"]

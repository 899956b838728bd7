"""Gathering children and batches: started once, waited for without a slot, told of in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import durable_plugin
import pytest
from durable_jobs import CALLS, PROGRAM

import crmd
from crmd.store import jobs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(durable_plugin)


@pytest.fixture(autouse=True)
def nothing_called() -> Iterator[None]:
    """Each test counts for itself."""
    CALLS.clear()
    PROGRAM.clear()
    yield
    PROGRAM.clear()


def child(number: int, word: str = "", job_type: str = "answers") -> tuple[str, dict[str, object]]:
    """A child and its payload."""
    return job_type, {"number": number, "word": word}


async def gathering(ctx: crmd.Context) -> object:
    """Gathers what the test says."""
    outcomes = await ctx.gather(PROGRAM["children"], needs_all=PROGRAM.get("needs_all", True))
    return [outcome.result if outcome.is_completed else outcome.error for outcome in outcomes]


async def test_children_are_gathered_in_order(workbench: Workbench) -> None:
    """The parent waits without a slot, keeps its attempt, and gets what its children returned in their order."""
    PROGRAM.update(handler=gathering, children=[child(3), child(1), child(2), "answers"])
    enqueued = await workbench.enqueue("as-told")
    parent = await workbench.attempt(enqueued.id)
    pool = workbench.everything.pools.control
    assert (parent.status, parent.attempt) == ("processing", 0)
    row = await jobs.show(pool, enqueued.id)
    assert row is not None
    assert (row["held"], row["waits_for"]) == ("gather", b'{"children": 4}')
    await workbench.drain()
    done = await workbench.finished(enqueued.id)
    assert (done.status, done.attempt) == ("completed", 1)
    assert done.result["value"] == [{"number": 3}, {"number": 1}, {"number": 2}, {"number": 0}]
    assert max(CALLS.values()) == 1


async def test_a_failed_child_fails_the_parent_unless_it_copes(workbench: Workbench) -> None:
    """Without a word a child that did not complete is an error that names it; a parent that asks gets all outcomes."""
    PROGRAM.update(handler=gathering, children=[child(1), child(2, "fail")])
    strict = await workbench.enqueue("as-told")
    await workbench.drain()
    failed = await workbench.finished(strict.id)
    assert failed.status == "failed"
    assert "1 of 2 children did not complete" in failed.message
    assert "told to" in failed.message
    PROGRAM["needs_all"] = False
    lenient = await workbench.enqueue("as-told")
    await workbench.drain()
    assert (await workbench.finished(lenient.id)).result["value"] == [{"number": 1}, "told to"]


async def test_gathering_is_no_second_start(workbench: Workbench) -> None:
    """An attempt that is cut between the start of the children and its own end finds them, and starts none again."""

    async def cut(ctx: crmd.Context) -> object:
        try:
            return await gathering(ctx)
        finally:
            if not CALLS["cut"]:
                CALLS["cut"] += 1
                raise crmd.RetryJob("cut on its way to wait")

    PROGRAM.update(handler=cut, children=[child(n) for n in range(5)])
    enqueued = await workbench.enqueue("as-told")
    await workbench.drain(is_time_moved=True)
    done = await workbench.finished(enqueued.id)
    assert done.result["value"] == [{"number": n} for n in range(5)]
    assert done.result["children"]["total"] == 5


async def test_gather_after_gather(workbench: Workbench) -> None:
    """A parent may gather again and again; nothing of an earlier one is done twice."""

    async def twice(ctx: crmd.Context) -> object:
        first = await ctx.gather([child(n) for n in range(3)])
        second = await ctx.gather([child(10 + outcome.result["number"]) for outcome in first])
        none = await ctx.gather([])
        return [outcome.result["number"] for outcome in (*second, *none)]

    PROGRAM["handler"] = twice
    enqueued = await workbench.enqueue("as-told")
    await workbench.drain()
    assert (await workbench.finished(enqueued.id)).result["value"] == [10, 11, 12]
    assert max(CALLS.values()) == 1


async def test_a_child_that_another_one_started_counts_too(workbench: Workbench) -> None:
    """A child whose unique key is taken is the job that holds the key; the parent waits for that one."""
    other = await workbench.enqueue("answers-once", {"number": 5})
    PROGRAM.update(handler=gathering, children=[child(5, job_type="answers-once"), child(6)])
    enqueued = await workbench.enqueue("as-told")
    parent = await workbench.attempt(enqueued.id)
    assert parent.status == "processing"
    await workbench.drain()
    done = await workbench.finished(enqueued.id)
    assert done.result["value"] == [{"number": 5}, {"number": 6}]
    assert (await workbench.finished(other.id)).status == "completed"


async def test_children_that_ended_before_the_parent_waits(workbench: Workbench) -> None:
    """Children that are over before their parent is back in the queue let it go on at once."""

    async def slow(ctx: crmd.Context) -> object:
        try:
            return await gathering(ctx)
        finally:
            if not CALLS["drained"]:
                CALLS["drained"] += 1
                await workbench.drain()

    PROGRAM.update(handler=slow, children=[child(1), child(2)])
    enqueued = await workbench.enqueue("as-told")
    await workbench.attempt(enqueued.id)
    await workbench.drain()
    assert (await workbench.finished(enqueued.id)).result["value"] == [{"number": 1}, {"number": 2}]


async def test_cancelling_a_gathering_job_cancels_its_children(workbench: Workbench) -> None:
    """To cancel a job that gathers ends its waiting children, and it with them."""
    PROGRAM.update(handler=gathering, children=[child(n) for n in range(3)])
    enqueued = await workbench.enqueue("as-told")
    await workbench.attempt(enqueued.id)
    pool = workbench.everything.pools.control
    assert await jobs.cancel(pool, enqueued.id, "not needed") == "cancelled"
    assert await pool.fetchval("SELECT count(*) FROM crmd.job") == 0
    assert await pool.fetchval("SELECT count(*) FROM crmd.archive WHERE status = 'cancelled'") == 4


async def test_thousands_of_children(workbench: Workbench) -> None:
    """Two thousand children are a few statements for their parent, and are counted without loss."""
    PROGRAM.update(handler=gathering, children=[child(n) for n in range(2000)])
    enqueued = await workbench.enqueue("as-told")
    await workbench.drain()
    done = await workbench.finished(enqueued.id)
    assert (done.status, done.result["children"]["sums"]["number"]) == ("completed", 1999 * 1000)


def callbacks(success: str | None, finish: str | None) -> dict[str, object]:
    """The callbacks of a batch, by name."""
    named = {"on_success": success, "on_finish": finish}
    return {key: ("notes", {"word": word}) for key, word in named.items() if word is not None}


async def start_batch(workbench: Workbench, children: list[object], **options: object) -> UUID:
    """Have a job start a batch."""
    seen: list[UUID] = []

    async def handler(ctx: crmd.Context) -> None:
        seen.append(await ctx.batch(children, **options))  # type: ignore[arg-type]  # as the tests give them

    PROGRAM["handler"] = handler
    await workbench.run_job("as-told")
    return seen[0]


async def test_a_batch_tells_of_its_end(workbench: Workbench) -> None:
    """The callbacks of a batch run once all its jobs have ended, success before finish."""
    batch_id = await start_batch(workbench, [child(n) for n in range(3)], **callbacks("good", "over"))
    assert (await workbench.finished(batch_id)).status == "processing"
    ran = await workbench.drain()
    assert [one.type for one in ran] == ["answers"] * 3 + ["notes"] * 2
    assert (CALLS["note good"], CALLS["note over"]) == (1, 1)
    counts = (await workbench.finished(batch_id)).result["children"]
    assert (counts["total"], counts["completed"], counts["sums"]) == (3, 3, {"number": 3})


async def test_a_batch_with_a_failure_has_no_success(workbench: Workbench) -> None:
    """When a job of the batch did not complete, on_success is cancelled with the numbers, and on_finish runs."""
    batch_id = await start_batch(workbench, [child(1), child(2, "fail")], **callbacks("good", "over"))
    await workbench.drain()
    ended = await workbench.finished(batch_id)
    assert ended.status == "cancelled"
    assert ended.message == "1 of the 2 jobs that it waited for did not complete"
    assert (CALLS["note good"], CALLS["note over"]) == (0, 1)


async def test_an_empty_batch_ends_at_once(workbench: Workbench) -> None:
    """A batch of nothing has succeeded."""
    await start_batch(workbench, [], **callbacks("good", "over"))
    await workbench.drain()
    assert (CALLS["note good"], CALLS["note over"]) == (1, 1)


async def test_a_batch_grows_while_it_runs(workbench: Workbench) -> None:
    """Jobs may be added to a batch until it has finished; then that is refused."""
    batch_id = await start_batch(workbench, [child(1)], **callbacks(None, "over"))

    async def add(ctx: crmd.Context) -> object:
        return len(await ctx.batch_add(batch_id, [child(2), child(3)]))

    PROGRAM["handler"] = add
    assert (await workbench.run_job("as-told")).result == 2
    await workbench.drain()
    assert (await workbench.finished(batch_id)).result["children"]["total"] == 3
    assert CALLS["note over"] == 1
    refused = await workbench.run_job("as-told")
    assert f"there is no unfinished batch {batch_id}" in refused.message.lower()


async def test_a_batch_needs_somebody_to_tell(workbench: Workbench) -> None:
    """A batch without callbacks is refused with what to do instead, in SQL as well."""
    pool = workbench.everything.pools.control
    with pytest.raises(asyncpg.PostgresError, match="tells nobody of its end") as refused:
        await pool.execute("SELECT crmd.batch('[]')")
    assert refused.value.sqlstate == "CR009"


async def test_a_batch_from_sql(workbench: Workbench) -> None:
    """Any program starts a batch inside its own transaction, of jobs of several types."""
    pool = workbench.everything.pools.control
    batch_id = await pool.fetchval(
        """SELECT crmd.batch('[{"type": "answers", "payload": {"number": 1}}, {"type": "notes"},
            {"type": "answers", "payload": {"number": 2}}]', on_finish => '{"type": "notes",
            "payload": {"word": "over"}}')"""
    )
    await workbench.drain()
    assert CALLS["note over"] == 1
    listed = await jobs.list_jobs(pool, parent_id=batch_id)
    assert sorted(row["type"] for row in listed) == ["answers", "answers", "notes"]


async def test_cancelling_a_batch(workbench: Workbench) -> None:
    """To cancel a batch cancels its jobs and its success; on_finish hears of it."""
    batch_id = await start_batch(workbench, [child(1), child(2)], **callbacks("good", "over"))
    assert await jobs.cancel(workbench.everything.pools.control, batch_id, "stop") == "cancelled"
    await workbench.drain()
    assert (CALLS["child 1"], CALLS["note good"], CALLS["note over"]) == (0, 0, 1)

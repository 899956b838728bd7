"""What becomes of jobs, run one step at a time on a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import sample_jobs

import crmd
from crmd.store import gates, jobs

if TYPE_CHECKING:
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)


async def test_completed(workbench: Workbench) -> None:
    """A job that returns is completed, with its result and progress."""
    done = await workbench.run_job("add-one", {"number": 4})
    assert (done.status, done.result, done.errors) == ("completed", {"number": 5}, [])
    assert done.progress == {"done": 1, "total": 1}


async def test_alias(workbench: Workbench) -> None:
    """An alias is accepted wherever a job name is, and the job has the canonical name."""
    done = await workbench.run_job("plus-one", {"number": 1})
    assert (done.type, done.status) == ("add-one", "completed")


async def test_bad_payload(workbench: Workbench) -> None:
    """A payload that does not fit is refused at enqueue with the path of the bad field."""
    with pytest.raises(crmd.CrmdError, match=r"\$\.number"):
        await workbench.enqueue("add-one", {"number": "four"})
    with pytest.raises(crmd.CrmdError, match="nubmer"):
        await workbench.enqueue("add-one", {"nubmer": 4})


async def test_retries_with_backoff(workbench: Workbench) -> None:
    """A failure is tried again after its backoff, and keeps its errors."""
    first = await workbench.run_job("fails-twice")
    assert (first.status, first.attempt) == ("scheduled", 1)
    await workbench.clock.advance(9)
    assert await workbench.drain() == []
    await workbench.clock.advance(1.1)
    [second] = await workbench.drain()
    assert (second.status, second.attempt) == ("scheduled", 2)
    [third] = await workbench.drain(is_time_moved=True)
    assert (third.status, third.attempt, third.result) == ("completed", 3, "done")
    assert [error["message"] for error in third.errors] == ["attempt 1 fails", "attempt 2 fails"]


async def test_dead(workbench: Workbench) -> None:
    """Exhausted attempts make a job dead; words that can't be stored are cleaned, not fatal."""
    await workbench.enqueue("always-fails")
    [done] = await workbench.drain(is_time_moved=True)
    assert (done.status, done.attempt) == ("dead", 2)
    assert done.message == "broken � and � words"


async def test_failed_at_once(workbench: Workbench) -> None:
    """FailJob ends a job at its first attempt."""
    done = await workbench.run_job("gives-up")
    assert (done.status, done.attempt, done.message) == ("failed", 1, "the contact does not exist")


async def test_snooze_gives_the_attempt_back(workbench: Workbench) -> None:
    """A snoozed job comes later and has lost no attempt."""
    first = await workbench.run_job("comes-later")
    assert (first.status, first.attempt) == ("scheduled", 0)
    [second] = await workbench.drain(is_time_moved=True)
    assert (second.status, second.attempt, second.result) == ("completed", 1, "done")


async def test_closed_gate_parks(workbench: Workbench) -> None:
    """A job behind a closed gate is not claimed, and runs without a lost attempt when the gate opens."""
    pool = workbench.everything.pools.control
    await gates.close(pool, "connection/7", seconds=None, reason="needs consent")
    waiting = await workbench.enqueue("waits-for-gate", {"number": 7})
    other = await workbench.enqueue("waits-for-gate", {"number": 8})
    assert [job.id for job in await workbench.drain()] == [other.id]
    await gates.reopen(pool, "connection/7")
    [parked] = await workbench.drain()
    assert (parked.id, parked.status, parked.attempt) == (waiting.id, "scheduled", 0)


async def test_parent_reports_its_children(workbench: Workbench) -> None:
    """A parent ends with its last child and reports their sum."""
    parent = await workbench.run_job("fans-out", {"number": 3})
    assert parent.status == "processing"
    await workbench.drain()
    done = await workbench.finished(parent.id)
    assert done.status == "completed"
    assert done.result["own"] == "word"
    assert done.result["children"] == {
        "total": 4, "completed": 3, "failed": 1, "cancelled": 0, "dead": 0, "sums": {"number": 6},
    }  # fmt: skip


async def test_cancel_takes_the_children(workbench: Workbench) -> None:
    """Cancelling a parent cancels what waits below it, and the parent ends."""
    parent = await workbench.run_job("fans-out", {"number": 3})
    pool = workbench.everything.pools.control
    assert await jobs.cancel(pool, parent.id, "not needed") in {"cancelled", "completed"}
    assert await workbench.drain() == []
    counts = {(row["type"], row["status"]): row["jobs"] for row in await jobs.counts(pool)}
    assert counts[("add-one", "cancelled")] == 3


async def test_checkpoint_survives_attempts(workbench: Workbench) -> None:
    """A later attempt goes on from the checkpoint, and item outcomes add up."""
    await workbench.enqueue("walks-pages", {"number": 3})
    [done] = await workbench.drain(is_time_moved=True)
    assert (done.status, done.result, done.attempt) == ("completed", [0, 1, 2], 3)
    items = await workbench.everything.pools.control.fetchval(
        "SELECT count(*) FROM crmd.item WHERE job_id = $1", done.id
    )
    assert items == 3


async def test_results_that_cannot_be_stored(workbench: Workbench) -> None:
    """NUL and lone surrogates are cleaned, what has no JSON form fails, what is too large is noted."""
    nonsense = await workbench.run_job("stores-nonsense")
    assert nonsense.result == {"text": "a�b�c", "deep": ["�"], "big": 10**30}
    nothing = await workbench.run_job("returns-object")
    assert (nothing.status, nothing.errors[0]["class"]) == ("failed", "ResultNotStorable")
    huge = await workbench.run_job("huge-result")
    assert huge.result == {"truncated": True, "bytes": 1_000_002}


async def test_unique_scopes(workbench: Workbench) -> None:
    """A taken key answers with the job that holds it, for as long as its scope says."""
    first = await workbench.enqueue("only-once", {"number": 1})
    again = await workbench.enqueue("only-once", {"number": 1})
    other = await workbench.enqueue("only-once", {"number": 2})
    assert (again.id, again.is_new, other.is_new) == (first.id, False, True)
    await workbench.drain()
    assert (await workbench.enqueue("only-once", {"number": 1})).is_new
    hourly = await workbench.enqueue("once-an-hour")
    await workbench.drain()
    assert (await workbench.enqueue("once-an-hour")).id == hourly.id
    await workbench.clock.advance(3601)
    assert (await workbench.enqueue("once-an-hour")).is_new


async def test_events_start_jobs(workbench: Workbench) -> None:
    """An event starts its jobs in the transaction that emits it, with the fields that their payload knows."""
    await workbench.run_job("tells")
    assert await workbench.events("sample.told") == [{"number": 5, "other": "x"}]
    [heard] = await workbench.drain()
    assert (heard.type, heard.status, heard.result) == ("hears", "completed", 5)


async def test_schedule_fires_once(workbench: Workbench) -> None:
    """A tick becomes one job however often it is looked at, and missed ticks become one by default."""
    await workbench.clock.advance(60)
    await workbench.tick()
    await workbench.tick()
    [ran] = await workbench.drain()
    assert (ran.type, ran.status) == ("every-minute", "completed")
    await workbench.clock.advance(600)
    await workbench.tick()
    assert len(await workbench.drain()) == 1


async def test_frozen_clock(workbench: Workbench) -> None:
    """A frozen clock stands still, and everything in the database goes by it."""
    instant = datetime(2031, 3, 30, 1, 30, tzinfo=UTC)
    await workbench.clock.freeze(instant)
    enqueued = await workbench.enqueue("add-one")
    row = await jobs.show(workbench.everything.pools.control, enqueued.id)
    assert row is not None
    assert (row["created_at"], row["run_at"]) == (instant, instant)


async def test_broken_schedule_is_set_aside(workbench: Workbench) -> None:
    """A schedule that can't be fired, or not even be read, is set aside with its reason; the others fire."""
    pool = workbench.everything.pools.control
    await pool.execute(
        "INSERT INTO crmd.schedule (id, job_type, expression, origin, next_due_at, last_due_at, updated_at) "
        "SELECT x.id, x.type, x.expression, 'runtime', crmd.clock(), crmd.clock(), crmd.clock() FROM (VALUES "
        "('gone', 'no-such-type', '* * * * *'), ('unreadable', 'add-one', '61 * * * *')) x(id, type, expression)"
    )
    await workbench.clock.advance(61)
    await workbench.tick()
    assert "every-minute" in {job.type for job in await workbench.drain()}
    rows = await pool.fetch("SELECT id, error FROM crmd.schedule WHERE error IS NOT NULL ORDER BY id")
    assert [row["id"] for row in rows] == ["gone", "unreadable"]
    assert "no-such-type" in rows[0]["error"]


async def test_lost_lease_writes_nothing(workbench: Workbench) -> None:
    """A job whose lease was taken over can't write, and its outcome is forgotten."""
    pool = workbench.everything.pools.control
    enqueued = await workbench.enqueue("loses-lease")
    [row] = await _claimed(workbench, enqueued.id)
    await pool.execute("UPDATE crmd.lease SET fence = fence + 1 WHERE id = $1", enqueued.id)
    await workbench._run(row)
    state = await pool.fetchrow("SELECT fence, checkpoint FROM crmd.lease WHERE id = $1", enqueued.id)
    assert state is not None
    assert (state["fence"], state["checkpoint"]) == (2, None)


async def _claimed(workbench: Workbench, job_id: object) -> list[object]:
    rows = await workbench._claim()
    return [row for row in rows if row["id"] == job_id]

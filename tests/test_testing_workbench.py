from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import kit_jobs
import pytest

from crmd.errors import UsageError
from crmd.testing.travelling import length_of

if TYPE_CHECKING:
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(kit_jobs)


async def test_nothing_runs_by_itself(workbench: Workbench) -> None:
    """By hand, a job waits until it is drained."""
    enqueued = await workbench.enqueue("kit-chain")
    assert (await workbench.finished(enqueued.id)).status == "pending"
    await workbench.refute_enqueued("kit-greet")
    await workbench.drain()
    assert (await workbench.finished(enqueued.id)).status == "completed"


async def test_inline_runs_at_once(workbench: Workbench) -> None:
    """Inline, a job has run when enqueue answers, with all that it started; afterwards by hand again."""
    with workbench.inline():
        enqueued = await workbench.enqueue("kit-chain")
        assert (await workbench.finished(enqueued.id)).status == "completed"
        await workbench.assert_emitted("kit.greeted", {"who": "Ada"}, count=1)
    assert (await workbench.finished((await workbench.enqueue("kit-chain")).id)).status == "pending"


async def test_what_waits_can_be_asserted_in_part(workbench: Workbench) -> None:
    """A payload is compared by the names that are given, at every depth; aliases, workspace and time count too."""
    await workbench.run_job("kit-chain")
    [job] = await workbench.assert_enqueued("kit-hello", {"who": "Ada", "mood": {"a": "b"}}, count=1)
    await workbench.assert_enqueued("kit-greet", workspace_id=workbench.workspace_id, run_at=job.run_at)
    await workbench.refute_enqueued("kit-greet", {"mood": {"a": "x"}})
    await workbench.refute_enqueued("kit-greet", workspace_id=uuid4())
    await workbench.refute_enqueued("kit-greet", run_at=job.run_at + timedelta(minutes=1))
    assert [one.type for one in await workbench.all_enqueued()] == ["kit-greet"]


async def test_a_failed_assertion_lists_what_there_is(workbench: Workbench) -> None:
    """Who expects another job, or another number of them, is told what waits."""
    await workbench.enqueue("kit-greet", {"who": "Ada"})
    with pytest.raises(AssertionError, match=r'Expected a job kit-greet \{"who":"Bob"\}, found 0(.|\n)*"who":"Ada"'):
        await workbench.assert_enqueued("kit-greet", {"who": "Bob"})
    with pytest.raises(AssertionError, match=r"Expected 2 jobs kit-greet .*, found 1"):
        await workbench.assert_enqueued("kit-greet", count=2)
    with pytest.raises(AssertionError, match="Expected no job kit-greet"):
        await workbench.refute_enqueued("kit-greet")
    with pytest.raises(AssertionError, match=r"Expected an event kit\.greeted .* No event was emitted"):
        await workbench.assert_emitted("kit.greeted")


@pytest.mark.crmd_settings("kit_jobs", greeting="Servus")
async def test_settings_come_by_a_marker_or_by_hand(workbench: Workbench) -> None:
    """A plugin's settings can be set for a test and changed within it, and are checked."""
    assert (await workbench.run_job("kit-greet", {"who": "Ada"})).result == "Servus, Ada"
    workbench.configure("kit_jobs", greeting="Moin")
    assert (await workbench.run_job("kit-greet", {"who": "Ada"})).result == "Moin, Ada"
    with pytest.raises(UsageError, match="times"):
        workbench.configure("kit_jobs", times="many")
    with pytest.raises(UsageError, match="not loaded"):
        workbench.configure("nobody", times=1)


async def test_time_passes_tick_by_tick(workbench: Workbench) -> None:
    """A day of a schedule by the quarter of an hour fires 96 times, in order, each at its instant."""
    start = datetime(2031, 3, 2, 0, 0, 30, tzinfo=UTC)
    await workbench.clock.freeze(start)
    await workbench.travel("1 day")
    rows = await workbench.everything.pools.control.fetch(
        "SELECT result, started_at FROM crmd.archive WHERE type = 'kit-quarterly' ORDER BY started_at"
    )
    due = [datetime.fromisoformat(row["result"].decode().strip('"')) for row in rows]
    ticks = [datetime(2031, 3, 2, 0, 15, tzinfo=UTC) + timedelta(minutes=15 * n) for n in range(96)]
    assert due[-96:] == ticks
    assert [row["started_at"] for row in rows][-96:] == ticks
    assert await workbench.everything.pools.control.fetchval("SELECT crmd.clock()") == start + timedelta(days=1)


async def test_retries_come_after_their_backoff(workbench: Workbench) -> None:
    """A job that fails twice is tried again when its backoff is over, not before."""
    job = await workbench.enqueue("kit-fail")
    await workbench.travel(59)
    assert (await workbench.finished(job.id)).attempt == 1
    await workbench.travel("1 hour")
    assert ((await workbench.finished(job.id)).status, (await workbench.finished(job.id)).attempt) == ("completed", 3)


async def test_sleeping_jobs_wake(workbench: Workbench) -> None:
    """A job that sleeps for days is awake when they have passed, not before."""
    await workbench.everything.pools.control.execute("UPDATE crmd.schedule SET is_paused = true")
    job = await workbench.enqueue("kit-sleep")
    await workbench.travel("71 hours")
    assert (await workbench.finished(job.id)).status != "completed"
    await workbench.travel("2 hours")
    assert (await workbench.finished(job.id)).result == "awake"


async def test_jobs_lapse(workbench: Workbench) -> None:
    """A job that was not started in time has lapsed when its time is over."""
    now = await workbench.everything.pools.control.fetchval("SELECT crmd.clock()")
    in_time = now + timedelta(hours=1)
    job = await workbench.enqueue(
        "kit-greet", {"who": "Ada"}, run_at=in_time, expires_at=in_time - timedelta(minutes=5)
    )
    await workbench.travel("2 hours")
    assert (await workbench.finished(job.id)).status == "cancelled"
    assert await workbench.events("kit.greeted") == []


async def test_a_clock_that_ran_runs_on(workbench: Workbench) -> None:
    """After a journey the clock runs on from where it has come to."""
    pool = workbench.everything.pools.control
    before = await pool.fetchval("SELECT crmd.clock()")
    await workbench.travel("2 days")
    first, second = await pool.fetchval("SELECT crmd.clock()"), await pool.fetchval("SELECT crmd.clock()")
    assert second > first > before + timedelta(days=2)
    with pytest.raises(UsageError, match="lies in the past"):
        await workbench.until(before)


async def test_retention_comes_with_time(workbench: Workbench) -> None:
    """What retention lets go is gone when its days are over."""
    job = await workbench.run_job("kit-greet", {"who": "Ada"})
    query = "SELECT count(*) FROM crmd.archive WHERE id = $1"
    assert await workbench.everything.pools.control.fetchval(query, job.id) == 1
    await workbench.everything.pools.control.execute("UPDATE crmd.schedule SET is_paused = true")
    await workbench.travel("40 days")
    assert await workbench.everything.pools.control.fetchval(query, job.id) == 0


@pytest.mark.parametrize(
    ("text", "seconds"), [("3 days", 259200), ("90s", 90), ("1.5 hours", 5400), (7, 7), ("1 week", 604800)]
)
def test_lengths_are_read(text: str | float, seconds: float) -> None:
    """A length of time is seconds, or a number with a unit."""
    assert length_of(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "3 months", "-1 day", "1" * 100_000 + " days", "1.. days"])
def test_what_is_no_length_is_refused(text: str) -> None:
    """Anything else is refused, at once and in one sentence."""
    with pytest.raises(UsageError, match="no length of time"):
        length_of(text)

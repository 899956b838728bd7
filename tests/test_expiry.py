"""Jobs that lapse before they start."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import enqueue_jobs
import pytest

import crmd
from crmd.engine.letting_go import INTERVAL_SECONDS, PAGE, LettingGo
from crmd.store import leases

if TYPE_CHECKING:
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(enqueue_jobs)
START = datetime(2026, 3, 1, 9, tzinfo=UTC)


@pytest.fixture
async def bench(workbench: Workbench) -> Workbench:
    """The workbench with its clock stopped."""
    await workbench.clock.freeze(START)
    return workbench


async def sweep(bench: Workbench) -> float:
    """What a daemon does every second."""
    return await LettingGo(bench._pool).once(bench.everything.services.job_types)


async def test_a_lapsed_job_is_never_started(bench: Workbench) -> None:
    """From the instant on no claim takes it, swept or not; it ends as cancelled and says why."""
    lapsed = await crmd.enqueue(bench._pool, "lapses")
    await bench.clock.advance(60)
    assert await bench.drain() == []
    with pytest.raises(crmd.CrmdError, match="is not due or does not wait"):
        await bench.attempt(lapsed.id)
    assert await sweep(bench) == INTERVAL_SECONDS
    done = await bench.finished(lapsed.id)
    assert (done.status, done.attempt, done.errors[-1]["class"]) == ("cancelled", 0, "Expired")


async def test_a_lapsed_job_with_a_key_of_a_limit_is_never_started(bench: Workbench) -> None:
    """Jobs that wait in a lane lapse as well."""
    lapsed = await crmd.enqueue(bench._pool, "lapses")
    await bench._pool.execute("UPDATE crmd.job SET lane = 'type:lapses'")
    await bench.clock.advance(60)
    assert await bench.drain() == []
    await sweep(bench)
    assert (await bench.finished(lapsed.id)).status == "cancelled"


async def test_the_time_counts_from_when_it_was_due(bench: Workbench) -> None:
    """A job for later has as long as one for now; the caller's own instant wins over the type's seconds."""
    later = await crmd.enqueue(bench._pool, "lapses", delay_seconds=600)
    longer = await crmd.enqueue(bench._pool, "lapses", expires_in_seconds=3600)
    until = await crmd.enqueue(bench._pool, "lapses", expires_at=START + timedelta(seconds=5))
    rows = await bench._pool.fetch("SELECT id, expires_at - crmd.clock() AS left FROM crmd.job")
    seconds = {row["id"]: row["left"].total_seconds() for row in rows}
    assert seconds == {later.id: 660, longer.id: 3600, until.id: 5}


async def test_what_has_started_never_lapses(bench: Workbench) -> None:
    """A retry comes long after the instant, and runs."""
    job = await crmd.enqueue(bench._pool, "lapses", {"text": "fails once"})
    await bench.drain()
    await bench.clock.advance(601)
    await sweep(bench)
    [done] = await bench.drain()
    assert (done.id, done.status, done.attempt) == (job.id, "completed", 2)


async def test_a_parent_hears_of_its_lapsed_child(bench: Workbench) -> None:
    """A child that lapses is counted as cancelled, and its parent ends."""
    parent = await bench.run_job("starts-lapsing")
    await bench.clock.advance(61)
    await sweep(bench)
    done = await bench.finished(parent.id)
    assert (done.status, done.result["children"]["cancelled"]) == ("completed", 1)


async def test_a_lapsed_job_frees_its_key(bench: Workbench) -> None:
    """The next of the key is a new job; a follow-up that lapses gives the key back to the job that runs."""
    first = await crmd.enqueue(bench._pool, "lapses", unique_key="k")
    await bench.clock.advance(61)
    await sweep(bench)
    second = await crmd.enqueue(bench._pool, "lapses", unique_key="k", expires_in_seconds=3600)
    assert second.id != first.id
    await leases.claim_one(bench._pool, bench._daemon_id, second.id, leases.new_claim_id())
    follow_up = await crmd.enqueue(bench._pool, "lapses", unique_key="k", on_conflict="replace")
    await bench.clock.advance(61)
    await sweep(bench)
    assert (await bench.finished(follow_up.id)).status == "cancelled"
    assert (await crmd.enqueue(bench._pool, "lapses", unique_key="k")).id == second.id


async def test_what_waits_for_a_lapsed_job_is_cancelled(bench: Workbench) -> None:
    """A dependent of a job that lapses hears of it as of any that did not complete; one may lapse while it waits."""
    first = await crmd.enqueue(bench._pool, "lapses")
    second = await crmd.enqueue(bench._pool, "notes", after=[first.id])
    third = await crmd.enqueue(bench._pool, "lapses", after=[second.id], expires_in_seconds=30)
    await bench.clock.advance(40)
    await sweep(bench)
    assert (await bench.finished(third.id)).errors[-1]["class"] == "Expired"
    assert (await bench.finished(second.id)).status == "pending"
    await bench.clock.advance(21)
    await sweep(bench)
    assert (await bench.finished(second.id)).status == "cancelled"


async def test_a_sweep_is_a_page(bench: Workbench) -> None:
    """However many have lapsed, one statement ends a page of them, and the next follows at once."""
    await crmd.enqueue_many(bench._pool, "lapses", [{}] * (PAGE + 5))
    await bench.clock.advance(61)
    assert await sweep(bench) == 0
    assert await bench._pool.fetchval("SELECT count(*) FROM crmd.job") == 5
    assert await sweep(bench) == INTERVAL_SECONDS
    assert await bench._pool.fetchval("SELECT count(*) FROM crmd.job") == 0

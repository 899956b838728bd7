from __future__ import annotations

import asyncio
import gc
import warnings
from typing import TYPE_CHECKING

import kit_jobs
import pytest

from crmd.testing import run_with_crashes
from crmd.testing.attempt import cancel
from crmd.testing.steps import Steps

if TYPE_CHECKING:
    from crmd.testing import Arena, Workbench

pytestmark = [pytest.mark.slow, pytest.mark.crmd_plugins(kit_jobs)]


async def test_a_killed_attempt_leaves_nothing_half_done(workbench: Workbench) -> None:
    """Killed at any step, no part of the attempt goes on, no `finally` either; the job is reaped and finished."""
    steps, at = 1, 0
    were_open: list[list[str]] = []
    while at < steps:
        at += 1
        kit_jobs.CLEANED.clear()
        job = await workbench.enqueue("kit-cleans-up")
        daemon = await workbench.daemon()
        attempt = await daemon.run_killed(await daemon.claim_job(job.id), at)
        steps = max(steps, attempt.steps.count + attempt.is_killed)
        cleaned_by_the_killed = list(kit_jobs.CLEANED)
        await workbench.travel(10)
        assert (await workbench.finished(job.id)).status == "completed"
        if attempt.is_killed and attempt.outcome is None:
            were_open.append(cleaned_by_the_killed)
    assert were_open
    assert all(cleaned in ([], ["child"]) for cleaned in were_open)
    assert were_open[0] == were_open[1] == []


async def test_a_living_daemon_is_not_buried(workbench: Workbench) -> None:
    """As long as a daemon lives its jobs are its own, however much time passes; when it dies they are recovered."""
    job = await workbench.enqueue("kit-greet", {"who": "Ada"})
    daemon = await workbench.daemon()
    await daemon.claim_job(job.id)
    await workbench.travel("2 hours")
    assert (await workbench.finished(job.id)).status == "processing"
    daemon.die()
    await workbench.travel("2 hours")
    assert (await workbench.finished(job.id)).status == "completed"
    assert not await daemon.beat()


async def test_an_attempt_can_be_cancelled_at_a_step(workbench: Workbench) -> None:
    """An attempt that is cancelled at one of its steps ends as cancelled."""
    job = await workbench.enqueue("kit-two-writes")
    daemon = await workbench.daemon()
    await daemon.run(await daemon.claim_job(job.id), at={3: cancel})
    assert (await workbench.finished(job.id)).status == "cancelled"


async def test_crashes_find_what_is_done_twice(crmd_arena: Arena) -> None:
    """A job that tells of one thing after the other is found to tell of the first one twice, at exact steps."""
    report = await run_with_crashes(crmd_arena, "kit-two-writes")
    assert report.killed == list(range(1, report.steps + 1))
    assert report.faults
    assert all(fault.what.startswith("events: ") and " more" in fault.what for fault in report.faults)
    assert any("kit.first" in fault.what for fault in report.faults)
    assert min(fault.step for fault in report.faults) > 1


async def test_crashes_pass_what_is_done_once(crmd_arena: Arena) -> None:
    """The same job with its checkpoint in the transaction ends with the same rows wherever it is killed."""
    seen: list[int] = []

    async def check(workbench: Workbench) -> None:
        seen.append(len(await workbench.events("kit.first")))

    report = await run_with_crashes(crmd_arena, "kit-one-write", check=check)
    assert report.faults == []
    assert len(report.killed) == report.steps
    assert set(seen) == {1}


@pytest.mark.parametrize("is_restorable", [True, False], ids=["restored", "made anew"])
async def test_each_run_begins_from_the_same_rows(
    crmd_arena: Arena,
    is_restorable: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """What one run has written is not there in the next, whether rows are restored or a database is made."""
    for _ in range(3):
        crmd_arena._is_restorable &= is_restorable
        async with crmd_arena.fresh() as workbench:
            assert await workbench.events("kit.greeted") == []
            assert await workbench.all_enqueued() == []
            await workbench.enqueue("kit-greet", {"who": "Eve"})
            await workbench.run_job("kit-greet", {"who": "Ada"})


async def _nothing() -> None:
    """Never begins."""


def test_a_task_that_never_began_is_not_warned_of() -> None:
    """As with plain tasks: one that is cancelled before its first step, or left when the loop ends, is no fault."""
    steps = Steps({})
    loop = asyncio.new_event_loop()
    loop.set_task_factory(steps.task_factory)

    async def leave_some() -> None:
        loop.create_task(_nothing()).cancel()
        await asyncio.sleep(0)
        left.append(loop.create_task(_nothing()))

    left: list[asyncio.Task[None]] = []
    loop.run_until_complete(leave_some())
    loop.set_exception_handler(lambda *_: None)  # that a task is left pending is meant here
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        steps.close(loop)
        loop.close()
        left.clear()
        del steps
        gc.collect()
    assert caught == []

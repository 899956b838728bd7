from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import hostile_jobs
import pytest

from crmd.engine.handling import handle
from crmd.engine.run import Run
from crmd.outcome import Ended, Requeued, Stop
from crmd.store import leases
from crmd.store.leases import Token

if TYPE_CHECKING:
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(hostile_jobs)


@pytest.mark.parametrize(
    ("job_type", "status", "word"),
    [
        ("exits", "dead", "SystemExit"),
        ("cancels-itself", "dead", "CancelledError"),
        ("groups-exit", "dead", "BaseExceptionGroup"),
        ("wordless", "dead", "WordlessError"),
        ("snoozes-nonsense", "failed", "OutcomeNotUsable"),
        ("snoozes-for-ever", "failed", "Unstorable"),
        ("snoozes-nan", "failed", "Unstorable"),
        ("deep-result", "failed", "ResultNotStorable"),
    ],
)
async def test_a_careless_handler_costs_its_own_job(
    workbench: Workbench, job_type: str, status: str, word: str
) -> None:
    """Whatever a handler raises or orders becomes its job's outcome and leaves the task that ran it alive."""
    done = await workbench.run_job(job_type)
    assert (done.status, done.errors[-1]["class"]) == (status, word)


@pytest.mark.parametrize(("why", "outcome"), [(Stop.CANCEL, Ended), (Stop.DRAIN, Requeued)])
async def test_noise_while_stopping_is_not_a_failure(workbench: Workbench, why: Stop, outcome: type) -> None:
    """A handler that raises while it is cancelled or drained is cancelled or given back all the same."""
    run = await _claimed(workbench, "stops-loudly")
    done: list[object] = []

    async def work() -> None:
        with anyio.CancelScope() as run.scope:
            done.append(await handle(run, workbench.everything.services))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await anyio.wait_all_tasks_blocked()
        run.halt(why)
    assert isinstance(done[0], outcome)
    if isinstance(done[0], Requeued):
        assert done[0].is_attempt_given_back


async def test_outer_cancellation_is_not_an_outcome(workbench: Workbench) -> None:
    """Cancelled from outside its own scope, a job has no outcome: the drainer ends and the lease tells the rest."""
    run = await _claimed(workbench, "sleeps-on")
    with anyio.move_on_after(0) as scope:
        await handle(run, workbench.everything.services)
    assert scope.cancelled_caught


async def test_a_failed_engine_call_leaves_no_rights_behind(workbench: Workbench) -> None:
    """After the engine's part of a transaction has raised, a plugin's statements run as crmd_app again."""
    done = await workbench.run_job("forgets-its-place")
    assert done.result == ["crmd_app", "crmd_app"]


async def _claimed(workbench: Workbench, job_type: str) -> Run:
    enqueued = await workbench.enqueue(job_type)
    [row] = await leases.claim_one(workbench._pool, workbench._daemon_id, enqueued.id, leases.new_claim_id())
    return Run(row, workbench.everything.services.job_types[job_type], Token(row["id"], row["fence"], row["claim_id"]))

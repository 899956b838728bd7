"""Kills a job at every step, each time from the same beginning, and compares what is left with an undisturbed end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crmd.store.queries import load_queries
from crmd.testing.snapshot import Comparison, take_snapshot

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from crmd.testing.arena import Arena
    from crmd.testing.attempt import Attempt
    from crmd.testing.finished import Finished
    from crmd.testing.snapshot import Snapshot
    from crmd.testing.workbench import Workbench

    Seed = Callable[[Workbench], Awaitable[object]]

_SQL = load_queries("crmd.testing")
# Long enough for the retries of any sensible backoff.
REST = "6 hours"
A_WHILE_SECONDS = 3661.0


@dataclass(frozen=True, slots=True)
class CrashFault:
    """What was wrong after a kill at one step."""

    step: int
    what: str


@dataclass(slots=True)
class CrashReport:
    """How it went.

    Attributes:
        steps: Of the undisturbed run.
        killed: The steps at which it was killed.
        faults: Empty when every end was that of the undisturbed run.
    """

    steps: int
    killed: list[int] = field(default_factory=list)
    faults: list[CrashFault] = field(default_factory=list)


async def run_with_crashes(
    arena: Arena,
    job_type: str,
    payload: object = None,
    *,
    seed: Seed | None = None,
    check: Callable[[Workbench], Awaitable[None]] | None = None,
    steps: Sequence[int] | None = None,
) -> CrashReport:
    """Run a job undisturbed, and then once for each of its steps, killed there.

    Args:
        arena: The fixture `crmd_arena`.
        job_type: Name or alias.
        payload: Of the job.
        seed: Writes what the job finds, on a fresh workbench; a payload that it answers takes the place of `payload`.
        check: Looks at each end, the undisturbed ones included, and raises where it is wrong.
        steps: At which steps; None: at all.
    """
    runner = _Runner(arena, job_type, payload, seed, check)
    first, undisturbed, attempt = await runner.run()
    second, _, _ = await runner.run(later_seconds=A_WHILE_SECONDS)
    comparison = Comparison(first, second)
    report = CrashReport(attempt.steps.count)
    for step in steps if steps is not None else range(1, report.steps + 1):
        snapshot, finished, attempt = await runner.run(step)
        if not attempt.is_killed:  # this time it took fewer steps, as when an answer came in one piece
            continue
        report.killed.append(step)
        if finished.status != undisturbed.status:
            report.faults.append(CrashFault(step, f"it ends as {finished.status}: {finished.message}"))
        report.faults += [CrashFault(step, str(one)) for one in comparison.differences(snapshot)]
    return report


@dataclass(frozen=True, slots=True)
class _Runner:
    arena: Arena
    job_type: str
    payload: object
    seed: Seed | None
    check: Callable[[Workbench], Awaitable[None]] | None

    async def run(self, step: int = 0, *, later_seconds: float = 0) -> tuple[Snapshot, Finished, Attempt]:
        """One run from the beginning, killed at a step; 0: not at all."""
        async with self.arena.fresh() as workbench:
            pool = workbench.everything.pools.control
            await pool.execute(_SQL.schedules_rest)
            await workbench.clock.advance(later_seconds)
            given = None if self.seed is None else await self.seed(workbench)
            enqueued = await workbench.enqueue(self.job_type, self.payload if given is None else given)
            daemon = await workbench.daemon()
            attempt = await daemon.run_killed(await daemon.claim_job(enqueued.id), step)
            daemon.die()
            await workbench.travel(REST)
            if self.check is not None:
                await self.check(workbench)
            return await take_snapshot(pool), await workbench.finished(enqueued.id), attempt

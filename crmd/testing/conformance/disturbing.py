"""The rules that disturb a job: run it twice, kill it, cancel it, move the clock, let the database stand still."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from crmd.outcome import Ended
from crmd.testing.attempt import Attempt, cancel, kill
from crmd.testing.conformance.place import place_of_handler, place_of_waiting
from crmd.testing.conformance.rule import Finding
from crmd.testing.conformance.standstill import Standstill

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from crmd.testing.conformance.trial import Trial, Trials
    from crmd.testing.conformance.undisturbed import Undisturbed
    from crmd.testing.snapshot import Snapshot

CANCELS = 4
PATIENCE_SECONDS = 15.0
DAY_SECONDS = 86400.0
# Another job of the same kind is one row more among the jobs, by nature.
JOBS = frozenset({"jobs"})


async def run_twice(trials: Trials, base: Undisturbed) -> Finding:
    """Rule `duplicate`."""
    async with trials.fresh() as trial:
        await trial.attempt()
        await trial.rest()
        if not await trial.enqueue():
            return _finding("duplicate", base)
        await trial.attempt()
        finished = await trial.rest()
        if finished.status not in {"completed", "cancelled"}:
            return _finding("duplicate", base, f"the second job ends as {finished.status}: {finished.message}")
        return _finding("duplicate", base, _differing(base, await trial.snapshot(), "once more", JOBS))


async def run_killed(trials: Trials, base: Undisturbed, kills_max: int, on_step: Callable[[str], None]) -> Finding:
    """Rule `kill`: at every step, or at so many of them, evenly spread."""
    points = spread(base.first.steps, kills_max)
    for number, point in enumerate(points, 1):
        on_step(f"kill {number} of {len(points)}")
        places: list[str] = []
        async with trials.fresh() as trial:
            attempt = await trial.attempt({point: _noting(places, trials.folder, kill)})
            finished = await trial.rest()
            what = _differing(base, await trial.snapshot(), f"after a kill at step {point} of {base.first.steps}")
        if not attempt.is_killed:
            break
        if finished.status != base.first.finished.status:
            what = f"after a kill at step {point} it ends as {finished.status}: {finished.message}"
        if what:
            return _finding("kill", base, what, places[0])
    return _finding("kill", base)


async def run_cancelled(trials: Trials, base: Undisturbed) -> Finding:
    """Rule `cancel`: at a few steps of the handler."""
    for point in spread(base.first.handler_steps, CANCELS):
        places: list[str] = []
        async with trials.fresh() as trial:
            began = time.monotonic()
            attempt = await trial.attempt(
                {point: _noting(places, trials.folder, cancel)}, patience_seconds=PATIENCE_SECONDS
            )
            seconds = time.monotonic() - began
            what = _not_ended(attempt, seconds) or await _after_cancel(trial, base)
        if what:
            return _finding("cancel", base, what, places[0] if places else "")
    return _finding("cancel", base)


def _not_ended(attempt: Attempt, seconds: float) -> str:
    if attempt.is_stuck or attempt.is_overdue:
        return f"it goes on for {seconds:.0f} s after it was cancelled"
    if attempt.run.stop is None or not attempt.steps.cancellations:  # it had ended before it could notice
        return ""
    if isinstance(attempt.outcome, Ended) and attempt.outcome.status == "cancelled":
        return ""
    return "it was cancelled here and went on all the same"


async def _after_cancel(trial: Trial, base: Undisturbed) -> str:
    await trial.rest()
    if await trial.enqueue():
        finished = await trial.rest()
        if finished.status not in {"completed", "cancelled"}:
            return f"after a cancelled job the next one ends as {finished.status}: {finished.message}"
    when = "when the next job has run after a cancelled one"
    return _differing(base, await trial.snapshot(), when, JOBS, is_more_fine=True)


async def run_while_clock_jumps(trials: Trials, base: Undisturbed) -> Finding:
    """Rule `clock`: a day ahead after half of the steps, as when a machine wakes up."""
    middle = max(base.first.handler_steps // 2, 1)
    loop = asyncio.get_running_loop()
    async with trials.fresh() as trial:

        def jump(_: Attempt) -> None:
            asyncio.run_coroutine_threadsafe(trial.workbench.clock.advance(DAY_SECONDS), loop).result()

        await trial.attempt({middle: jump})
        finished = await trial.rest()
        if finished.status != base.first.finished.status:
            return _finding("clock", base, f"it ends as {finished.status}: {finished.message}")
        return _finding("clock", base, _differing(base, await trial.snapshot(), "after the clock has jumped"))


async def run_in_standstill(trials: Trials, base: Undisturbed) -> Finding:
    """Rule `time-limit`: whoever wants to write for the job waits, until its time is over and it has ended."""
    async with trials.fresh() as trial:
        standstill = Standstill(trial)
        attempt = await trial.attempt(
            prepare=standstill.begin, on_look=standstill.look, patience_seconds=PATIENCE_SECONDS
        )
        await standstill.end()
        if attempt.is_stuck or attempt.is_overdue:
            return _finding("time-limit", base, "its time was over and it went on")
        finished = await trial.rest()
        if finished.status != base.first.finished.status and base.job_type.max_attempts > 1:
            return _finding("time-limit", base, f"afterwards it ends as {finished.status}: {finished.message}")
        if finished.status != base.first.finished.status:
            return _finding("time-limit", base)
        return _finding("time-limit", base, _differing(base, await trial.snapshot(), "after the database stood still"))


def spread(count: int, most: int) -> list[int]:
    """Up to `most` of the numbers from 1 to `count`, evenly spread, the first and the last among them."""
    if count <= most:
        return list(range(1, count + 1))
    return sorted({1 + round(at * (count - 1) / (most - 1)) for at in range(most)})


def _noting(places: list[str], folder: str, happening: Callable[[Attempt], None]) -> Callable[[Attempt], None]:
    """Note where the job waits when it happens."""

    def noting(attempt: Attempt) -> None:
        places.append(place_of_waiting(attempt.steps.waiting, folder))
        happening(attempt)

    return noting


def _differing(
    base: Undisturbed, snapshot: Snapshot, when: str, but: Collection[str] = (), *, is_more_fine: bool = False
) -> str:
    """The first difference, as a sentence; rows too many are a matter of the rule `duplicate`, if that is said."""
    found = [one for one in base.comparison.differences(snapshot) if one.table not in but]
    found = [one for one in found if one.missing] if is_more_fine else found
    return f"{when}: {found[0]}" if found else ""


def _finding(rule: str, base: Undisturbed, what: str = "", place: str = "") -> Finding:
    name = base.job_type.name
    if not what:
        return Finding(rule, "pass", name)
    return Finding(rule, "fail", name, what, place or place_of_handler(base.job_type))

"""Rule `rate-limit`: every request is answered with 429 and a pause to keep, for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.testing.conformance.place import place_of_handler
from crmd.testing.conformance.rule import Finding

if TYPE_CHECKING:
    from crmd.testing.conformance.trial import Trial, Trials
    from crmd.testing.conformance.undisturbed import Undisturbed

PAUSE_SECONDS = 120.0
# A call may be sent a few times before it is given up, and a job may make several at a time.
REQUESTS_MAX = 12
WAITING = frozenset({"pending", "scheduled", "processing"})  # the last: its children wait
GOOD = frozenset({"completed", "cancelled"})


async def run_in_storm(trials: Trials, base: Undisturbed) -> Finding:
    """A job that asks nobody passes."""
    name = base.job_type.name
    if not base.first.traffic.asked:
        return Finding("rate-limit", "pass", name)
    async with trials.fresh() as trial:
        what = await _storm(trial, base) or await _after_storm(trial, base)
    if not what:
        return Finding("rate-limit", "pass", name)
    return Finding("rate-limit", "fail", name, what, place_of_handler(base.job_type))


async def _storm(trial: Trial, base: Undisturbed) -> str:
    """Refused once, left alone for half of the pause, refused once more when it is over."""
    traffic = trial.traffic
    traffic.storm_seconds = PAUSE_SECONDS
    await trial.attempt()
    await trial.workbench.drain()
    what = _hammered(len(traffic.asked)) or await _waits(trial, base)
    if what:
        return what
    before = len(traffic.asked)
    await trial.workbench.travel(PAUSE_SECONDS / 2)
    if len(traffic.asked) > before:
        return f"it asks again before the {PAUSE_SECONDS:.0f} s of Retry-After are over"
    await trial.workbench.travel(PAUSE_SECONDS)
    what = _hammered(len(traffic.asked) - before) or await _waits(trial, base)
    traffic.storm_seconds = None
    return what


def _hammered(asked: int) -> str:
    return f"it sends {asked} requests at a provider that answers 429" if asked > REQUESTS_MAX else ""


async def _waits(trial: Trial, base: Undisturbed) -> str:
    finished = await trial.finished()
    if finished.status in GOOD:  # it made do without an answer; the rows will tell
        return ""
    if finished.status not in WAITING:
        return f"at a provider that answers 429 it ends as {finished.status}: {finished.message}"
    if base.job_type.connection is not None and finished.attempt > 0:
        return "a provider's 429 costs it an attempt; let GateClosed through"
    return ""


async def _after_storm(trial: Trial, base: Undisturbed) -> str:
    finished = await trial.rest()
    if finished.status != base.first.finished.status:
        return f"when the storm is over it ends as {finished.status}: {finished.message}"
    differences = base.comparison.differences(await trial.snapshot())
    return f"when the storm is over: {differences[0]}" if differences else ""

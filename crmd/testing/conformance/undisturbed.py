"""The runs that nothing disturbs: what every disturbed one is compared with, and what can be seen by looking on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crmd.testing.conformance.canary import LogTap, leaked, secrets_in
from crmd.testing.conformance.place import place_of_handler, shown
from crmd.testing.conformance.rule import Finding
from crmd.testing.conformance.traffic import FAKE_ACCESS_TOKEN, FAKE_REFRESH_TOKEN
from crmd.testing.conformance.watch import StallLook, sockets_seen
from crmd.testing.snapshot import Comparison

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crmd.job_type import JobType
    from crmd.testing.conformance.traffic import Traffic
    from crmd.testing.conformance.trial import Trial, Trials
    from crmd.testing.finished import Finished
    from crmd.testing.snapshot import Snapshot

# The second run is at another time, so that whatever was made from the time differs.
AN_HOUR_OR_SO_SECONDS = 3661.0
GOOD = frozenset({"completed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Run:
    """What one undisturbed run left."""

    snapshot: Snapshot
    finished: Finished
    steps: int
    handler_steps: int
    traffic: Traffic
    stall: StallLook
    sockets: Sequence[tuple[str, str]]
    leak: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """Two undisturbed runs of one sample.

    Attributes:
        job_type: What is tried.
        comparison: What other ends are held against.
        first: One of the runs.
        findings: What was seen.
    """

    job_type: JobType
    comparison: Comparison
    first: Run
    findings: Sequence[Finding]

    @property
    def is_good(self) -> bool:
        """Whether it makes sense to disturb it."""
        return all(finding.outcome != "fail" for finding in self.findings if finding.rule == "runs")


async def run_undisturbed(trials: Trials, job_type: JobType) -> Undisturbed:
    """Run the sample twice, each time in a world of its own."""
    first, second = await _run(trials), await _run(trials, AN_HOUR_OR_SO_SECONDS)
    comparison = Comparison(first.snapshot, second.snapshot)
    trouble = _trouble(first, second, comparison)
    findings = [
        _found("runs", job_type, (trouble, "") if trouble else None),
        _found("loop", job_type, _stalled(first, second)),
        _found("transaction", job_type, _first(first.traffic.held_up, "a transaction is open while it asks {}")),
        _found("network", job_type, _asked(first)),
        _found("secrets", job_type, first.leak),
    ]
    return Undisturbed(job_type, comparison, first, [_about(finding, job_type) for finding in findings])


async def _run(trials: Trials, later_seconds: float = 0) -> Run:
    stall = StallLook(trials.folder)
    async with trials.fresh(later_seconds=later_seconds) as trial:
        with LogTap() as tap, sockets_seen(trials.folder) as sockets:
            attempt = await trial.attempt(on_look=stall)
            finished = await trial.rest() if not attempt.is_stuck else await trial.finished()
        snapshot = await trial.snapshot()
        leak = _leak(trial, snapshot, finished, tap.lines, trials)
    steps = attempt.steps.count
    return Run(snapshot, finished, steps, attempt.handler_steps, trial.traffic, stall, sockets, leak)


def _trouble(first: Run, second: Run, comparison: Comparison) -> str:
    for run in (first, second):
        if run.finished.status not in GOOD:
            return f"it ends as {run.finished.status}: {run.finished.message}"
    differences = comparison.differences(second.snapshot)
    return f"two runs leave different rows: {differences[0]}" if differences else ""


def _stalled(first: Run, second: Run) -> tuple[str, str] | None:
    """Only what both runs show: a busy machine may have stopped one of them."""
    if not (first.stall.place and second.stall.place):
        return None
    seconds = min(first.stall.seconds, second.stall.seconds)
    return f"the event loop stands still for {seconds:.1f} s", first.stall.place


def _asked(run: Run) -> tuple[str, str] | None:
    return _first(run.traffic.undeclared, "it asks {}, which nobody declared") or _first(
        run.sockets, "it connects to {} by itself, past crmd's clients"
    )


def _first(seen: Iterable[tuple[str, str]], sentence: str) -> tuple[str, str] | None:
    return next(((sentence.format(host), place) for host, place in seen), None)


def _found(rule: str, job_type: JobType, seen: tuple[str, str] | None) -> Finding:
    if seen is None:
        return Finding(rule, "pass")
    what, place = seen
    return Finding(rule, "fail", what=what, place=place or place_of_handler(job_type))


def _leak(
    trial: Trial, snapshot: Snapshot, finished: Finished, lines: Iterable[tuple[str, str]], trials: Trials
) -> tuple[str, str] | None:
    settings = trial.workbench.everything.services.settings[trials.plugin]
    secrets = {FAKE_ACCESS_TOKEN, FAKE_REFRESH_TOKEN, *trial.traffic.secrets, *secrets_in(settings)}
    logged = next((place for text, place in lines if leaked([text], secrets)), None)
    if logged is not None:
        return "a secret is written to the log", shown(logged, trials.folder)
    if leaked([str(finished.result), str(finished.errors), str(finished.progress)], secrets):
        return "a secret stands in the job's result, errors or progress", ""
    for table, rows in snapshot.tables.items():
        if leaked((str(row) for row in rows), secrets):
            return f"a secret stands in {table}", ""
    return None


def _about(finding: Finding, job_type: JobType) -> Finding:
    return Finding(finding.rule, finding.outcome, job_type.name, finding.what, finding.place)

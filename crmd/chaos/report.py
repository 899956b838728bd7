"""What is said of a run at its end: figures, recovery times, each invariant, and on a breach how it came to it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crmd.chaos.checker import check
from crmd.chaos.recovery import recoveries
from crmd.chaos.succession import slowest, successions
from crmd.chaos.timeline import timeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from crmd.chaos.checker import Verdict
    from crmd.chaos.history import History
    from crmd.chaos.recovery import Recovery

TIMELINES_MAX = 3
HAND_OVER_SECONDS = 1.0
FIRST_CLAIM_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known beside the history."""

    seed: int
    seconds: float
    settle_seconds: float
    connections_most: int
    connections_allowed: int
    doubts: int
    skipped: int
    plan: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure with what it is to be; `is_met` is None where the run says nothing about it."""

    what: str
    figure: str
    wanted: str
    is_met: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole.

    Attributes:
        timelines: Of a few jobs of each breach, by invariant and job; and of the slowest beyond the bars.
    """

    facts: Facts
    jobs: Mapping[str, int]
    jobs_per_second: float
    faults: Mapping[str, int]
    claims: int
    bars: Sequence[Bar]
    recoveries: Sequence[Recovery]
    verdicts: Sequence[Verdict]
    timelines: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether every invariant does."""
        return all(verdict.holds for verdict in self.verdicts)


def make_report(history: History, facts: Facts) -> Report:
    """Check a history and sum it up."""
    verdicts, times = check(history), recoveries(history)
    jobs = Counter(end.status for end in history.ends)
    faults = Counter(struck.kind for struck in history.struck)
    return Report(
        facts=facts,
        jobs=dict(sorted(jobs.items())),
        jobs_per_second=len(history.ends) / (facts.seconds + facts.settle_seconds),
        faults=dict(sorted(faults.items())),
        claims=len(history.claims),
        bars=list(_bars(history, facts, {verdict.code: verdict.count for verdict in verdicts}, times)),
        recoveries=times,
        verdicts=verdicts,
        timelines={**_timelines(history, verdicts), **_late(history)},
    )


def _bars(history: History, facts: Facts, breaches: Mapping[str, int], times: Iterable[Recovery]) -> Iterable[Bar]:
    lost = breaches["I9"] + breaches["I11"] + breaches["I14"] + breaches["C2"]
    for what, count in (
        ("lost", lost),
        ("doubled", breaches["C1"] + breaches["I5"] + breaches["I13"]),
        ("stale writes", breaches["I3"] + breaches["I4"]),
    ):
        yield Bar(what, str(count), "0", count == 0)
    for kind, what, seconds in (
        ("kill", "taken over after SIGKILL, p99", history.lease_seconds + 1),
        ("stop", "handed over on SIGTERM, p99", HAND_OVER_SECONDS),
        ("database-stop", "first claim after the database's stop", FIRST_CLAIM_SECONDS),
        ("database-crash", "first claim after the database's crash", FIRST_CLAIM_SECONDS),
    ):
        found = next((one for one in times if one.kind == kind and one.count), None)
        if found is None:
            yield Bar(what, "not seen", f"{seconds:g} s", None)
        else:
            wall = "" if found.wall_p99 is None else f", {found.wall_p99:.2f} s on the wall"
            yield Bar(what, f"{found.p99:.2f} s of {found.count}{wall}", f"{seconds:g} s", found.p99 <= seconds)
    most, allowed = facts.connections_most, facts.connections_allowed
    yield Bar("connections of one daemon at once", str(most), str(allowed), most <= allowed)


def _late(history: History) -> dict[str, Sequence[str]]:
    """What went on around the jobs that another daemon took too late."""
    found = successions(history)
    bars = {"kill": history.lease_seconds + 1, "stop": HAND_OVER_SECONDS}
    return {
        f"{one.kind} {one.seconds:.2f} s, {one.wall_seconds:.2f} s on the wall: {one.job_id}": timeline(
            history, one.job_id
        )
        for kind, seconds in bars.items()
        for one in slowest(found, kind, seconds, TIMELINES_MAX)
    }


def _timelines(history: History, verdicts: Iterable[Verdict]) -> dict[str, Sequence[str]]:
    return {
        f"{verdict.code} {breach.job_id}": timeline(history, breach.job_id)
        for verdict in verdicts
        for breach in verdict.breaches[:TIMELINES_MAX]
        if breach.job_id is not None
    }

"""Compares what is known outside the database with what is in it and with what the daemons reported: pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass
class Ledger:
    """What was seen outside: acknowledged jobs with the time, and how often each job began and ended."""

    acknowledged: dict[str, float] = field(default_factory=dict)
    begun: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)

    def read(self, text: str) -> None:
        """Take the lines that the jobs have written."""
        for line in text.splitlines():
            what, job_id, *_ = line.split()
            (self.begun if what == "begin" else self.ended)[job_id] += 1


@dataclass(frozen=True)
class Report:
    """One row of crmd.failover: ids as text, times as seconds since 1970."""

    kept_until: float | None
    seen_at: float
    stopped: frozenset[str]
    claims: frozenset[str]
    outcomes: frozenset[str]
    jobs: frozenset[str]
    is_complete: bool


@dataclass(frozen=True)
class Database:
    """What is there in the end: the status of each job, and the jobs that have booked themselves."""

    statuses: dict[str, str]
    booked: frozenset[str]


def breaches(ledger: Ledger, database: Database, reports: Sequence[Report], *, is_sync: bool) -> Iterator[str]:
    """Each difference that must not be, in a sentence."""
    missing = ledger.acknowledged.keys() - database.statuses.keys()
    outcomes = frozenset[str]().union(*(report.outcomes for report in reports))
    claims = frozenset[str]().union(*(report.claims for report in reports))
    jobs = frozenset[str]().union(*(report.jobs for report in reports))
    stopped = frozenset[str]().union(*(report.stopped for report in reports))
    if is_sync and (missing or claims or outcomes or jobs):
        yield f"synchronous: lost are {len(missing)} jobs, {len(claims)} claims, {len(outcomes)} outcomes"
    yield from _told(ledger, database, outcomes - missing, stopped, jobs)
    for job_id in missing:
        if not _is_dated(ledger, job_id, reports):
            yield f"{job_id}: lost without a failover to blame"
    for job_id, status in database.statuses.items():
        if status != "completed":
            yield f"{job_id}: ends as {status}"
    for job_id in database.statuses.keys() ^ database.booked:
        yield f"{job_id}: is completed and has not booked itself, or the other way round"
    if not all(report.is_complete for report in reports):
        yield "a report is not complete"


def _told(
    ledger: Ledger, database: Database, outcomes: frozenset[str], stopped: frozenset[str], jobs: frozenset[str]
) -> Iterator[str]:
    """What the daemons reported is what was seen: no less, and no more."""
    for job_id in ledger.begun.keys() - database.statuses.keys() - jobs:
        yield f"{job_id}: began, is gone, and no daemon said so"
    for job_id in jobs & database.statuses.keys():
        yield f"{job_id}: is there, and a daemon said that it is gone"
    for job_id, times in ledger.ended.items():
        if times > 1 and job_id not in outcomes | stopped:
            yield f"{job_id}: ended {times} times, and no daemon said so"
    for job_id in outcomes:
        if ledger.begun[job_id] < 2:
            yield f"{job_id}: was said to run again, and did not"


def _is_dated(ledger: Ledger, job_id: str, reports: Sequence[Report]) -> bool:
    """Whether the job was acknowledged between the end of what a new primary had and the time when it was found."""
    at = ledger.acknowledged[job_id]
    return any((report.kept_until or 0.0) <= at <= report.seen_at for report in reports)

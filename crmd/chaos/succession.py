"""Jobs whose daemon ended and that another one took: how long that took, and how much of it one could have. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from crmd.chaos.checker import claims_by_job
from crmd.chaos.peace import Peace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from uuid import UUID

    from crmd.chaos.history import Claim, Death, History


@dataclass(frozen=True, slots=True)
class Succession:
    """One job that another daemon claimed after its own had ended.

    Args:
        kind: `kill`, `stop` or `poison`.
        job_id: The job.
        pid: Of the daemon that ended.
        wall_seconds: From its death, or from when it gave the job back.
        seconds: Of that, as long as another one could have claimed it.
    """

    kind: str
    job_id: UUID
    pid: int
    wall_seconds: float
    seconds: float


def successions(history: History) -> list[Succession]:
    """All of a run, but for those in whose time the clock of the database was turned."""
    peace = Peace(history)
    jobs = claims_by_job(history).values()
    found = []
    for death in history.deaths:
        kind = kind_of(death)
        if kind == "close":
            continue
        waits = _handed_over(history, jobs, death) if kind == "stop" else _taken_over(jobs, death)
        for job_id, begin, end in waits:
            if not peace.has_jump(begin - history.lease_seconds, end):
                seconds = peace.seconds(peace.since_restart(begin, end), end)
                found.append(Succession(kind, job_id, death.pid, end - begin, seconds))
    return found


def kind_of(death: Death) -> str:
    """Which fault ended a daemon; what nobody did to it a job has done."""
    return death.cause if death.cause in {"kill", "stop", "close"} else "poison"


def slowest(found: Iterable[Succession], kind: str, more_than: float, most: int) -> Sequence[Succession]:
    """The slowest beyond a bar, one of each daemon that ended."""
    late = sorted((one for one in found if one.kind == kind and one.seconds > more_than), key=lambda one: one.seconds)
    return sorted({one.pid: one for one in late}.values(), key=lambda one: -one.seconds)[:most]


def _taken_over(jobs: Iterable[list[Claim]], death: Death) -> Iterator[tuple[UUID, float, float]]:
    for claims in jobs:
        for held, later in pairwise(claims):
            if held.pid == death.pid and (held.gone_at is None or held.gone_at > death.at):
                yield held.job_id, death.at, later.claimed_at


def _handed_over(history: History, jobs: Iterable[list[Claim]], death: Death) -> Iterator[tuple[UUID, float, float]]:
    """An attempt that is given back keeps its number; a retry or a snooze of its own is none.

    One that goes on later, as it sleeps or asks after a while what became of what it sent, waits from when it is due.
    """
    asked = [one for one in history.struck if one.kind == "stop" and one.pid == death.pid and one.began_at <= death.at]
    if not asked:
        return
    for claims in jobs:
        for held, later in pairwise(claims):
            is_given_back = (held.attempt, held.snooze_count) == (later.attempt, later.snooze_count)
            if held.pid == death.pid and is_given_back and held.gone_at and held.gone_at >= asked[0].began_at:
                yield held.job_id, max(held.gone_at, later.due_at), later.claimed_at

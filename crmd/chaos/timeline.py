"""What happened to a job, from all sides, in the order of time: for whoever has to find out why. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from uuid import UUID

    from crmd.chaos.history import History

AROUND_SECONDS = 2.0
LINES_MAX = 80


def timeline(history: History, job_id: UUID) -> list[str]:
    """A line for each thing that is known of the job, and for each fault around; times are seconds of the run."""
    own = sorted(_of_job(history, job_id))
    if not own:
        return ["nothing at all is known of it"]
    first, last = own[0][0] - AROUND_SECONDS, own[-1][0] + AROUND_SECONDS
    lines = sorted([*own, *_around(history, first, last)])
    shown = [f"{at - history.began_at:9.3f} s  {text}" for at, text in lines[:LINES_MAX]]
    return [*shown, *([f"… and {len(lines) - LINES_MAX} lines more"] if len(lines) > LINES_MAX else [])]


def _of_job(history: History, job_id: UUID) -> Iterator[tuple[float, str]]:
    yield from ((ack.at, f"client     acknowledged {ack.key}") for ack in history.acks if ack.job_id == job_id)
    for claim in (claim for claim in history.claims if claim.job_id == job_id):
        name = f"fence {claim.fence}, claim {str(claim.claim_id)[:8]}"
        yield claim.claimed_at, f"lease      taken by process {claim.pid}, {name}"
        yield claim.gone_at or claim.claimed_at, f"lease      {'gone' if claim.gone_at else 'never gone'}, {name}"
    for mark in (mark for mark in history.marks if mark.job_id == job_id):
        yield mark.boot_seconds, f"ledger     {mark.stage} {mark.name} in process {mark.pid}, fence {mark.fence}"
    for write in (write for write in history.writes if write.job_id == job_id):
        held = "" if write.held_fence == write.fence else f", held by fence {write.held_fence}"
        yield write.written_at, f"write      {write.name}, fence {write.fence}{held}"
    for end in (end for end in history.ends if end.job_id == job_id):
        yield end.finished_at, f"archive    {end.type} {end.status}, fence {end.fence}, attempt {end.attempt}"


def _around(history: History, first: float, last: float) -> Iterable[tuple[float, str]]:
    for struck in history.struck:
        if struck.began_at < last and struck.ended_at > first:
            whom = "all" if struck.target < 0 else f"daemon {struck.target} (process {struck.pid})"
            yield struck.began_at, f"fault      {struck.kind} {whom} begins"
            if struck.ended_at - struck.began_at > 0.01:  # noqa: PLR2004 - a moment needs no end
                yield struck.ended_at, f"fault      {struck.kind} {whom} is over"
    for death in history.deaths:
        if first < death.at < last:
            yield death.at, f"daemon     process {death.pid} ended with {death.code} {death.cause}"


def _short(claim_id: UUID) -> str:
    return f"claim {str(claim_id)[:8]}"

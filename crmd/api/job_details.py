"""What a job's page shows beside the job: its attempts, steps, items and children, why it waits, what it logged."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from crmd.api.jobs import seen
from crmd.api.problem import not_found
from crmd.api.route import Call, Route, routed
from crmd.explaining import Explanation  # noqa: TC001 - route handlers are read at run time
from crmd.store import items, job_log, steps
from crmd.store.explanation import explanation_of
from crmd.store.queries import load_queries

_SQL = load_queries("crmd.store")


class FailedAttempt(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What one attempt failed with."""

    attempt: int | None = None
    at: datetime | None = None
    class_: Annotated[str, Meta(description="of the error")] = msgspec.field(name="class", default="")
    message: str = ""
    sqlstate: str | None = None
    places: Annotated[list[str], Meta(description="in the code, innermost last; for operators")] = []


class Step(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One step that the job has begun."""

    name: str
    kind: Literal["step", "sleep", "event", "gather"]
    started_at: datetime
    finished_at: Annotated[datetime | None, Meta(description="of a sleep: when it is over")]
    result_bytes: int | None


class ItemCount(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How many items came to what, and why."""

    outcome: Literal["succeeded", "blocked", "failed"]
    reason: str | None
    items: int


class Children(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How the jobs below it stand; `GET …/jobs?parentId=` lists them."""

    total: int
    pending: int
    completed: int
    failed: int
    cancelled: int
    dead: int


class JobDetails(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What lies behind a job."""

    job_id: UUID
    attempt: int
    crash_count: Annotated[int, Meta(description="daemons that died while it ran")]
    snooze_count: int
    failed_attempts: list[FailedAttempt]
    steps: list[Step]
    items: Annotated[list[ItemCount], Meta(description="most frequent first")]
    children: Children | None
    waits_for: Annotated[dict[str, Any] | None, Meta(description="an event, jobs, children or a time")]
    expires_at: Annotated[datetime | None, Meta(description="after this it is never started")]
    retried_from: UUID | None
    retried_to: UUID | None
    correlation_id: str | None
    causation_id: str | None


class LogLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One line that the job logged."""

    at: str
    level: str
    text: str
    attempt: int


class LogPage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Lines, oldest first."""

    lines: list[LogLine]
    next_after: Annotated[int, Meta(description="`after` of the next request, which gives only what is new")]


class LogWanted(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """From where on."""

    after: Annotated[int, Meta(ge=0, le=2**53 - 1)] = 0


@routed("GET", "/api/workspaces/{workspaceId}/jobs/{jobId}/details", scope="read", tag="jobs")
async def get_job_details(call: Call) -> JobDetails:
    """Show a job's failed attempts, steps, items counted, children and what it waits for."""
    return await details_of(call, (await seen(call))["id"])


@routed("GET", "/api/workspaces/{workspaceId}/jobs/{jobId}/explain", scope="read", tag="jobs")
async def explain_job(call: Call) -> Explanation:
    """Say why a job does not run yet: every gate that it has to pass, and when it can start."""
    return await explained(call, (await seen(call))["id"])


@routed("GET", "/api/workspaces/{workspaceId}/jobs/{jobId}/log", scope="read", tag="jobs")
async def read_job_log(call: Call, query: LogWanted) -> LogPage:
    """Read what a job logged."""
    return await logged(call, (await seen(call))["id"], query.after)


async def details_of(call: Call, job_id: UUID) -> JobDetails:
    """The details of a job that the caller may see.

    Raises:
        Problem: 404: it is no longer kept.
    """
    pool = call.state.pool
    row = await pool.fetchrow(_SQL.api_job_details, job_id)
    if row is None:
        raise not_found("job")
    failed = [msgspec.convert(one, FailedAttempt, strict=False) for one in row["errors"] or ()]
    if not call.identity.is_operator:  # places are paths on the machine
        failed = [msgspec.structs.replace(one, places=[]) for one in failed]
    return JobDetails(
        job_id=job_id,
        failed_attempts=failed,
        steps=[_step(dict(one)) for one in await steps.list_steps(pool, job_id)],
        items=[ItemCount(**one) for one in await items.counted(pool, job_id)],
        children=None if row["children"] is None else Children(**row["children"]),
        retried_from=None if row["retried_from"] is None else UUID(row["retried_from"]),
        **{name: row[name] for name in _PLAIN},
    )


_PLAIN = ("attempt", "crash_count", "snooze_count", "waits_for", "expires_at", "retried_to", "correlation_id",
          "causation_id")  # fmt: skip


async def explained(call: Call, job_id: UUID) -> Explanation:
    """The explanation of a job that the caller may see; machines and others' jobs are named to operators alone.

    Raises:
        Problem: 404: it is no longer kept.
    """
    found = await explanation_of(call.state.pool, job_id, is_for_operator=call.identity.is_operator)
    if found is None:
        raise not_found("job")
    return found


async def logged(call: Call, job_id: UUID, after: int) -> LogPage:
    """What a job that the caller may see has logged behind a place."""
    rows = await job_log.read(call.state.pool, job_id, after)
    lines = [
        LogLine(at=line["at"], level=line["level"], text=line["text"], attempt=row["attempt"])
        for row in rows
        for line in row["lines"]
    ]
    return LogPage(lines=lines, next_after=rows[-1]["id"] if rows else after)


def _step(row: dict[str, Any]) -> Step:
    del row["fence"]
    return Step(**row)


ROUTES: tuple[Route, ...] = (get_job_details, explain_job, read_job_log)

"""Jobs of all workspaces: searched, looked at, cancelled, run again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from crmd.api import job_details, jobs
from crmd.api.job_details import JobDetails, LogPage, LogWanted  # noqa: TC001 - route handlers are read at run time
from crmd.api.job_pages import OFFSET_MAX, Wanted, page
from crmd.api.job_view import Job, Status, job_of
from crmd.api.jobs import Made, Name, Reason, seen
from crmd.api.retrying import Retrying  # noqa: TC001 - route handlers are read at run time
from crmd.api.route import Call, Route, routed
from crmd.explaining import Explanation  # noqa: TC001 - route handlers are read at run time
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Sequence

_SQL = load_queries("crmd.store")
# So much of an id, and it is looked for among ids; less is part of a word.
_PREFIX = re.compile(r"[0-9a-f]{6,32}", re.ASCII)
HEX_DIGITS = 32


class AnyJobsWanted(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which jobs are wanted."""

    status: Annotated[tuple[Status, ...], Meta(description="given again and again: any of them")] = ()
    type: Annotated[tuple[Name, ...], Meta(max_length=50, description="any of them")] = ()
    queue: Annotated[Name | None, Meta(description="job types that belong to this queue")] = None
    workspace_id: UUID | None = None
    user_id: UUID | None = None
    parent_id: Annotated[UUID | None, Meta(description="children of this job")] = None
    q: Annotated[
        Annotated[str, Meta(min_length=1, max_length=100)] | None,
        Meta(description="the first six digits of an id or more, or part of the name of a job type"),
    ] = None
    before: Annotated[UUID | None, Meta(description="older than this job: for pages that don't shift")] = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    offset: Annotated[int, Meta(ge=0, le=OFFSET_MAX, description="further back, give `before`")] = 0


class FoundJobs(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of jobs, newest first."""

    jobs: list[Job]
    total: int
    is_total_exact: Annotated[bool, Meta(description="false: there may be more than `total`")]
    has_more: bool
    next_before: Annotated[
        UUID | None,
        Meta(description="only the newest ended jobs were looked at, down to this one: go on with it as `before`"),
    ] = None


@routed("GET", "/api/jobs", scope="read", tag="jobs")
async def list_any_jobs(call: Call, query: AnyJobsWanted) -> FoundJobs:
    """List jobs of all workspaces and of none, newest first.

    A workspace, a parent, or a status other than completed leads to all that fit. Without any of them only the newest
    5,000 ended jobs are looked at, and `nextBefore` says where to go on.
    """
    first, last = _ids(query.q)
    types = await _types(call, query, is_word=query.q is not None and first is None)
    if types == ():
        return FoundJobs(jobs=[], total=0, is_total_exact=True, has_more=False)
    befores = [one for one in (query.before, last) if one is not None]
    wanted = Wanted(
        statuses=query.status,
        types=types,
        workspace_id=query.workspace_id,
        user_id=query.user_id,
        parent_id=query.parent_id,
        since=first,
        before=min(befores) if befores else None,
    )
    found = await page(call, wanted, limit=query.limit, offset=query.offset)
    return FoundJobs(
        jobs=found.jobs,
        total=found.total,
        is_total_exact=found.is_total_exact,
        has_more=found.has_more,
        next_before=found.next_before,
    )


@routed("GET", "/api/jobs/{jobId}", scope="read", tag="jobs")
async def get_any_job(call: Call) -> Job:
    """Look at one job, whosesoever it is."""
    return job_of(await seen(call))


@routed("POST", "/api/jobs/{jobId}/cancel", scope="manage", tag="jobs", problems=(409,))
async def cancel_any_job(call: Call, body: Reason) -> Made:
    """Cancel a job and those below it; a running one is asked to stop."""
    made: Made = await jobs.cancel_job.handler(call, body)
    return made


@routed("POST", "/api/jobs/{jobId}/retry", scope="manage", tag="jobs", status=201, problems=(409,))
async def retry_any_job(call: Call, body: Retrying) -> Made:
    """Run an ended job again, as a new job."""
    made: Made = await jobs.retry_job.handler(call, body)
    return made


@routed("GET", "/api/jobs/{jobId}/details", scope="read", tag="jobs")
async def get_any_job_details(call: Call) -> JobDetails:
    """Show a job's failed attempts, steps, items counted, children and what it waits for."""
    return await job_details.details_of(call, (await seen(call))["id"])


@routed("GET", "/api/jobs/{jobId}/explain", scope="read", tag="jobs")
async def explain_any_job(call: Call) -> Explanation:
    """Say why a job does not run yet: every gate that it has to pass, and when it can start."""
    return await job_details.explained(call, (await seen(call))["id"])


@routed("GET", "/api/jobs/{jobId}/log", scope="read", tag="jobs")
async def read_any_job_log(call: Call, query: LogWanted) -> LogPage:
    """Read what a job logged."""
    return await job_details.logged(call, (await seen(call))["id"], query.after)


def _ids(q: str | None) -> tuple[UUID | None, UUID | None]:
    """The first id that begins so, and the one behind the last; None where `q` is no beginning of an id."""
    digits = "" if q is None else q.strip().lower().replace("-", "")
    if not _PREFIX.fullmatch(digits):
        return None, None
    last = int(digits.ljust(HEX_DIGITS, "f"), 16)
    return UUID(digits.ljust(HEX_DIGITS, "0")), UUID(int=min(last + 1, 2**128 - 1))


async def _types(call: Call, query: AnyJobsWanted, *, is_word: bool) -> tuple[str, ...] | None:
    """The job types that are meant; None: all; empty: none fits."""
    if not (query.type or query.queue is not None or is_word):
        return None
    if query.queue is None and not is_word:
        return query.type
    known: Sequence[tuple[str, str]] = [
        (row["name"], row["queue"]) for row in await call.state.pool.fetch(_SQL.api_type_queues)
    ]
    word = (query.q or "").strip().lower() if is_word else ""
    return tuple(
        name
        for name, queue in known
        if query.queue in {None, queue} and (not query.type or name in query.type) and word in name.lower()
    )


ROUTES: tuple[Route, ...] = (
    list_any_jobs, get_any_job, cancel_any_job, retry_any_job, get_any_job_details, explain_any_job, read_any_job_log,
)  # fmt: skip

"""Jobs of one workspace: made, listed, looked at, cancelled, run again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from crmd.api import making
from crmd.api.job_pages import OFFSET_MAX, Wanted, page
from crmd.api.job_view import Job, Priority, Status, job_of
from crmd.api.making import Kept
from crmd.api.problem import Problem, not_found
from crmd.api.reading import uuid_in
from crmd.api.retrying import Retrying, again_of, retried
from crmd.api.route import RAW, Answer, Call, Route, routed
from crmd.store import jobs as stored_jobs
from crmd.store.pools import Connection  # noqa: TC001 - route handlers are read at run time
from crmd.store.queries import load_queries

_SQL = load_queries("crmd.store")
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Instant = Annotated[datetime, Meta(tz=True)]


class NewJob(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A job to be made."""

    type: Annotated[str, Meta(min_length=1, max_length=200, description="one of GET /api/job-types")]
    payload: dict[str, Any] = {}
    priority: Priority | None = None
    run_at: Annotated[Instant | None, Meta(description="when it is due; at once when left out")] = None
    depends_on: Annotated[
        tuple[UUID, ...], Meta(max_length=100, description="jobs of this workspace that have to complete first")
    ] = ()
    unique_key: Name | None = None
    idempotency_key: Annotated[Name | None, Meta(description="as the header Idempotency-Key")] = None


class Made(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What became of a request to make, cancel or retry a job."""

    success: bool
    job_id: UUID
    status: Status
    message: str


class Listing(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which jobs are wanted."""

    status: Annotated[tuple[Status, ...], Meta(description="given again and again: any of them")] = ()
    type: Name | None = None
    user_id: UUID | None = None
    parent_id: Annotated[UUID | None, Meta(description="children of this job")] = None
    before: Annotated[UUID | None, Meta(description="older than this job: for pages that don't shift")] = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    offset: Annotated[int, Meta(ge=0, le=OFFSET_MAX, description="further back, give `before`")] = 0


class Jobs(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of jobs, newest first."""

    jobs: list[Job]
    total: int
    is_total_exact: Annotated[bool, Meta(description="false: there are more than `total`")]
    has_more: bool


class Reason(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why."""

    reason: Annotated[str, Meta(min_length=1, max_length=500)] = "cancelled by request"


@routed("POST", "/api/workspaces/{workspaceId}/jobs", scope="enqueue", tag="jobs", status=201,
        also=(200,), is_idempotent=True, problems=(409,))  # fmt: skip
async def create_job(call: Call, body: NewJob) -> Answer[Made]:
    """Make a job.

    The same Idempotency-Key with the same body gets the same answer for 24 hours, and makes no second job.
    """
    job_type = making.job_type_of(call, body.type)
    new = stored_jobs.NewJobs(
        type=job_type.name,
        payloads=[making.encoded(call, job_type, body.payload)],
        workspace_id=call.workspace_id,
        user_id=call.identity.user_id,
        run_at=body.run_at,
        priority=body.priority,
        unique_keys=None if body.unique_key is None else [body.unique_key],
        after=list(body.depends_on) or None,
        payload_version=job_type.version,
        meta='{"source": "api"}',
    )

    key = making.keys_of(body.idempotency_key, call.request.headers.get("Idempotency-Key"))
    return await make_one(call, new, key)


async def make_one(call: Call, new: stored_jobs.NewJobs, key: str | None) -> Answer[Made]:
    """Make one job for the caller, once per Idempotency-Key.

    Raises:
        Problem: 409, 422 or 429.
    """

    async def work(connection: Connection) -> Kept:
        await making.check_room(call, connection)
        [made] = await making.make(call, connection, new)
        row = await connection.fetchrow(_SQL.api_job_get, made.id, call.workspace_id)
        status: Status = "pending" if row is None else row["status"]
        words = "The job is made." if made.is_new else "There is such a job already; no other was made."
        return Kept(201 if made.is_new else 200, Made(success=True, job_id=made.id, status=status, message=words))

    kept, is_replayed = await making.once(call, key, call.request[RAW], work)
    made = msgspec.convert(kept.body, Made) if is_replayed else kept.body
    call.state.changed(call.workspace_id, made.job_id)
    place = f"/api/workspaces/{call.workspace_id}/jobs/{made.job_id}"
    headers = {"Location": place} | ({"Idempotency-Replayed": "true"} if is_replayed else {})
    return Answer(made, kept.status, headers)


@routed("GET", "/api/workspaces/{workspaceId}/jobs", scope="read", tag="jobs")
async def list_jobs(call: Call, query: Listing) -> Jobs:
    """List jobs of the workspace, newest first."""
    return await page_of(call, query)


async def page_of(call: Call, query: Listing) -> Jobs:
    """A page of the jobs that the caller sees."""
    wanted = Wanted(
        statuses=query.status,
        types=None if query.type is None else (query.type,),
        workspace_id=call.workspace_id,
        user_id=query.user_id,
        parent_id=query.parent_id,
        before=query.before,
    )
    found = await page(call, wanted, limit=query.limit, offset=query.offset)
    return Jobs(jobs=found.jobs, total=found.total, is_total_exact=found.is_total_exact, has_more=found.has_more)


@routed("GET", "/api/workspaces/{workspaceId}/jobs/{jobId}", scope="read", tag="jobs")
async def get_job(call: Call) -> Job:
    """Look at one job."""
    return job_of(await seen(call))


async def seen(call: Call) -> Any:  # noqa: ANN401 - a row of api_job_get.sql
    """The job in the address, if the caller may see it.

    Raises:
        Problem: 404.
    """
    job_id = uuid_in(call.path["jobId"], "job")
    async with call.state.sight(call.workspace_id) as connection:
        row = await connection.fetchrow(_SQL.api_job_get, job_id, call.workspace_id)
    if row is None:
        raise not_found("job")
    return row


@routed("POST", "/api/workspaces/{workspaceId}/jobs/{jobId}/cancel", scope="enqueue", tag="jobs",
        problems=(409,))  # fmt: skip
async def cancel_job(call: Call, body: Reason) -> Made:
    """Cancel a job and those below it; a running one is asked to stop."""
    row = await seen(call)
    async with call.state.acting(
        call.identity, "jobs.cancel", row["id"], workspace_id=row["workspace_id"], reason=body.reason
    ):
        answer = await stored_jobs.cancel(call.state.pool, row["id"], body.reason)
    call.state.changed(row["workspace_id"], row["id"])
    match answer:
        case "cancelled":
            return Made(success=True, job_id=row["id"], status="cancelled", message="The job is cancelled.")
        case "requested":
            return Made(success=True, job_id=row["id"], status="processing", message="The job was asked to stop.")
        case None:
            raise not_found("job")
        case ended:
            raise Problem(409, "conflict", f"The job is {ended} already.")


@routed("POST", "/api/workspaces/{workspaceId}/jobs/{jobId}/retry", scope="enqueue", tag="jobs", status=201,
        is_idempotent=True, problems=(409,))  # fmt: skip
async def retry_job(call: Call, body: Retrying) -> Answer[Made]:
    """Run an ended job again, as a new job."""
    row = await seen(call)
    again = await again_of(call, row, body)

    async def work(connection: Connection) -> Kept:
        job_id = await retried(call, connection, row, again)
        words = "The job runs again, as a new one."
        return Kept(201, Made(success=True, job_id=job_id, status="pending", message=words))

    # Answers are kept for workspaces.
    key = None if call.workspace_id is None else call.request.headers.get("Idempotency-Key")
    async with call.state.acting(call.identity, "jobs.retry", row["id"], workspace_id=row["workspace_id"]) as found:
        kept, is_replayed = await making.once(call, key, call.request[RAW], work)
        made = msgspec.convert(kept.body, Made) if is_replayed else kept.body
        found["job"] = str(made.job_id)
    call.state.changed(row["workspace_id"], made.job_id)
    return Answer(made, kept.status, {"Idempotency-Replayed": "true"} if is_replayed else None)


ROUTES: tuple[Route, ...] = (create_job, list_jobs, get_job, cancel_job, retry_job)

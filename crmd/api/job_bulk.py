"""Many jobs of a workspace at once: made all or none, cancelled or run again by their ids or a filter."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from crmd.api import making
from crmd.api.bulk_choice import ENDED, ROWS_MAX, UNENDED, BulkCancel, BulkRetry, Chosen, chosen_of
from crmd.api.jobs import NewJob
from crmd.api.making import Kept
from crmd.api.problem import Fault, Problem, invalid
from crmd.api.route import RAW, Answer, Call, Route, routed
from crmd.store import bulk, dead_letters
from crmd.store import jobs as stored_jobs
from crmd.store.pools import Connection  # noqa: TC001 - route handlers are read at run time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crmd.model import Enqueued

JOBS_MAX = 1000
FAULTS_MAX = 50


class NewBatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Jobs to be made together."""

    jobs: Annotated[list[NewJob], Meta(min_length=1, max_length=JOBS_MAX)]


class MadeRow(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What became of one of them."""

    job_id: UUID
    is_new: Annotated[bool, Meta(description="false: there was such a job already, and this is its id")]


class MadeBatch(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Answers in the order of the request."""

    success: bool
    jobs: list[MadeRow]


class BulkRow(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What became of one job that was named by its id."""

    job_id: UUID
    answer: Annotated[str, Meta(description="`cancelled`, `requested`, `retried`, `not_found`, or how it has ended")]
    new_job_id: UUID | None = None


class BulkAnswer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What became of them."""

    success: bool
    is_dry_run: bool
    matched: Annotated[int, Meta(description="jobs that were selected, as far as this request has looked")]
    answers: Annotated[dict[str, int], Meta(description="how many came to what; in a dry run: by status")]
    next_after: Annotated[
        UUID | None, Meta(description="there may be more: send the request again with this as `after`")
    ] = None
    jobs: Annotated[list[BulkRow], Meta(description="one for each id; empty with a filter")] = []


@routed("POST", "/api/workspaces/{workspaceId}/jobs/bulk", scope="enqueue", tag="jobs", status=201,
        is_idempotent=True, problems=(409,))  # fmt: skip
async def create_jobs(call: Call, body: NewBatch) -> Answer[MadeBatch]:
    """Make up to 1,000 jobs: all of them, or none when one does not fit.

    Problems name the place of each row that does not fit, as `$.jobs[3].payload.limit`.
    """
    rows = _checked(call, body.jobs)

    async def work(connection: Connection) -> Kept:
        await making.check_room(call, connection, len(rows))
        made: list[Enqueued | None] = [None] * len(rows)
        for group in _groups(body.jobs):
            new = _together(call, [body.jobs[place] for place in group], [rows[place] for place in group])
            for place, one in zip(group, await making.make(call, connection, new), strict=True):
                made[place] = one
        shown = [MadeRow(job_id=one.id, is_new=one.is_new) for one in made if one is not None]
        return Kept(201, MadeBatch(success=True, jobs=shown))

    kept, is_replayed = await making.once(call, call.request.headers.get("Idempotency-Key"), call.request[RAW], work)
    made = msgspec.convert(kept.body, MadeBatch) if is_replayed else kept.body
    for row in made.jobs:
        call.state.changed(call.workspace_id, row.job_id)
    return Answer(made, kept.status, {"Idempotency-Replayed": "true"} if is_replayed else None)


@routed("POST", "/api/workspaces/{workspaceId}/jobs/cancel", scope="manage", tag="jobs")
async def cancel_jobs(call: Call, body: BulkCancel) -> BulkAnswer:
    """Cancel jobs and those below them, by their ids or by a filter; a dry run only counts."""
    chosen = await chosen_of(call, body, UNENDED)
    if body.is_dry_run:
        return await _counted(call, chosen)

    async def cancel(ids: Sequence[UUID], _: int) -> dict[UUID, tuple[str, UUID | None]]:
        answers = await bulk.cancel(call.state.pool, sorted(ids), body.reason)
        return {job_id: (answer or "not_found", None) for job_id, answer in zip(sorted(ids), answers, strict=True)}

    return await _done(call, chosen, "jobs.cancel", cancel, reason=body.reason)


@routed("POST", "/api/workspaces/{workspaceId}/jobs/retry", scope="manage", tag="jobs")
async def retry_jobs(call: Call, body: BulkRetry) -> BulkAnswer:
    """Run ended jobs again as new ones, by their ids or by a filter; a dry run only counts.

    A job that was run again before is left out. With `perSecond` so many become due each second.
    """
    chosen = await chosen_of(call, body, ENDED)
    if body.is_dry_run:
        return await _counted(call, chosen)

    async def retry(ids: Sequence[UUID], before: int) -> dict[UUID, tuple[str, UUID | None]]:
        rows = await dead_letters.redrive(call.state.pool, ids, before=before, per_second=body.per_second)
        made = {row["job_id"]: row["new_job_id"] for row in rows}
        return {job_id: ("retried" if job_id in made else "left_out", made.get(job_id)) for job_id in ids}

    return await _done(call, chosen, "jobs.retry", retry, per_second=body.per_second, reason=body.reason)


async def _counted(call: Call, chosen: Chosen) -> BulkAnswer:
    answers = await chosen.counts(call)
    return BulkAnswer(success=True, is_dry_run=True, matched=sum(answers.values()), answers=answers)


async def _done(call: Call, chosen: Chosen, verb: str, act: Any, **details: object) -> BulkAnswer:  # noqa: ANN401 - one of the two above
    """Do it page by page; what was done to each page stays done, and is in the audit."""
    answers: Counter[str] = Counter()
    rows = [BulkRow(job_id=job_id, answer=answer) for job_id, answer in chosen.told.items()]
    async with call.state.acting(
        call.identity, verb, workspace_id=call.workspace_id, filter=chosen.described, **details
    ) as found:
        async for ids in chosen.pages(call):
            came = await act(ids, answers["retried"])
            answers.update(answer for answer, _ in came.values())
            rows += [BulkRow(job_id=one, answer=answer, new_job_id=new) for one, (answer, new) in came.items()]
            found.update(answers)
            for job_id, (_, new_id) in came.items():
                call.state.changed(call.workspace_id, new_id or job_id)
    is_cut = chosen.ids is None and sum(answers.values()) >= ROWS_MAX
    answers.update(chosen.told.values())
    return BulkAnswer(
        success=True,
        is_dry_run=False,
        matched=sum(answers.values()),
        answers=dict(answers),
        next_after=rows[-1].job_id if is_cut else None,
        jobs=rows if chosen.ids is not None else [],
    )


def _checked(call: Call, rows: Sequence[NewJob]) -> list[str]:
    """The payloads as they are stored.

    Raises:
        Problem: 403, 413 or 422, with the place of each row that does not fit.
    """
    encoded: list[str] = []
    faults: list[Fault] = []
    for place, row in enumerate(rows):
        path = f"$.jobs[{place}]"
        try:
            if row.idempotency_key is not None:
                raise invalid(f"{path}.idempotencyKey", "The request as a whole has one, in its header.")
            job_type = making.job_type_of(call, row.type, f"{path}.type")
            encoded.append(making.encoded(call, job_type, row.payload, f"{path}.payload"))
        except Problem as problem:
            if problem.status != 422:  # noqa: PLR2004 - one row that is too large or forbidden decides
                raise
            faults += problem.body.errors
    if faults:
        detail = f"{len(faults)} of {len(rows)} jobs do not fit; none was made."
        raise Problem(422, "invalid", detail, errors=tuple(faults[:FAULTS_MAX]))
    return encoded


def _groups(rows: Sequence[NewJob]) -> list[list[int]]:
    """Places of rows that one statement can make together."""
    groups: dict[Any, list[int]] = {}
    for place, row in enumerate(rows):
        key = (row.type, row.priority, row.run_at, row.depends_on, row.unique_key is None)
        groups.setdefault(key, []).append(place)
    return list(groups.values())


def _together(call: Call, rows: Sequence[NewJob], payloads: list[str]) -> stored_jobs.NewJobs:
    job_type = making.job_type_of(call, rows[0].type)
    return stored_jobs.NewJobs(
        type=job_type.name,
        payloads=payloads,
        workspace_id=call.workspace_id,
        user_id=call.identity.user_id,
        run_at=rows[0].run_at,
        priority=rows[0].priority,
        unique_keys=None if rows[0].unique_key is None else [row.unique_key for row in rows],
        after=list(rows[0].depends_on) or None,
        payload_version=job_type.version,
        meta='{"source": "api"}',
    )


ROUTES: tuple[Route, ...] = (create_jobs, cancel_jobs, retry_jobs)

"""Many jobs of all workspaces at once: cancelled or run again, by a filter, after a look at how many."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from crmd.api.bulk_choice import ENDED, ROWS_MAX, UNENDED, Chosen
from crmd.api.job_view import Status
from crmd.api.problem import invalid
from crmd.api.route import Call, Route, routed
from crmd.store import bulk, dead_letters
from crmd.store.bulk import BEGINNING, JobFilter

Word = Annotated[str, Meta(min_length=1, max_length=200)]
Instant = Annotated[datetime, Meta(tz=True)]


class AnyJobsFilter(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Which jobs; what is left out lets all through, and something has to be given."""

    status: Annotated[
        tuple[Status, ...], Meta(description="any of them; all that the action is for when left out")
    ] = ()
    type: Word | None = None
    queue: Word | None = None
    workspace_id: UUID | None = None
    user_id: UUID | None = None
    created_from: Annotated[Instant | None, Meta(description="created at this instant or later")] = None
    created_before: Annotated[Instant | None, Meta(description="created earlier than this")] = None
    error_class: Annotated[Word | None, Meta(description="of the newest error")] = None
    cause: Annotated[Word | None, Meta(description="as GET /api/dead names it")] = None


class BulkAction(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What is to be done to which jobs."""

    action: Literal["cancel", "retry"]
    filter: AnyJobsFilter
    is_dry_run: Annotated[bool, Meta(description="only count")] = msgspec.field(name="dryRun", default=False)
    per_second: Annotated[
        Annotated[float, Meta(gt=0, le=10_000)] | None, Meta(description="of a retry: so many become due each second")
    ] = None
    reason: Annotated[str, Meta(min_length=1, max_length=500)] = "cancelled by an operator"
    after: Annotated[UUID | None, Meta(description="`nextAfter` of the answer before, to go on")] = None


class BulkResult(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What became of them."""

    is_dry_run: bool
    jobs: Annotated[int, Meta(description="that were selected; one request does 10,000 at the most")]
    answers: Annotated[dict[str, int], Meta(description="how many came to what; in a dry run: by status")]
    next_after: Annotated[UUID | None, Meta(description="there may be more: send this as `after`")] = None


@routed("POST", "/api/jobs/bulk", scope="manage", tag="jobs")
async def act_on_jobs(call: Call, body: BulkAction) -> BulkResult:
    """Cancel or retry all jobs that a filter selects; a dry run counts them.

    A retry leaves out what was run again before. What was done to a page stays done, and is in the audit.
    """
    chosen = _chosen(body)
    if body.is_dry_run:
        counts = await chosen.counts(call)
        return BulkResult(is_dry_run=True, jobs=sum(counts.values()), answers=counts)
    answers: Counter[str] = Counter()
    last: UUID | None = None
    async with call.state.acting(
        call.identity,
        f"jobs.{body.action}",
        workspace_id=body.filter.workspace_id,
        filter=chosen.described,
        per_second=body.per_second,
        reason=body.reason if body.action == "cancel" else None,
    ) as found:
        async for ids in chosen.pages(call):
            answers.update(await _done(call, body, ids, answers["retried"]))
            found.update(answers)
            last = ids[-1]
    total = sum(answers.values())
    return BulkResult(
        is_dry_run=False, jobs=total, answers=dict(answers), next_after=last if total >= ROWS_MAX else None
    )


def _chosen(body: BulkAction) -> Chosen:
    allowed = UNENDED if body.action == "cancel" else ENDED
    described: dict[str, Any] = {
        name: value for name, value in msgspec.to_builtins(body.filter).items() if value not in (None, (), [])
    }
    if not described:
        raise invalid("$.filter", "It is empty.", "It would mean every job; give at least a status.")
    wrong = [status for status in body.filter.status if status not in allowed]
    if wrong:
        raise invalid(
            "$.filter.status", f"This is not for jobs that are {wrong[0]}.", f"It is for {', '.join(allowed)}."
        )
    given = {name: value for name, value in msgspec.structs.asdict(body.filter).items() if name != "status"}
    wanted = JobFilter(statuses=tuple(body.filter.status or allowed), **given)
    return Chosen(wanted=wanted, described=described, after=body.after or BEGINNING)


async def _done(call: Call, body: BulkAction, ids: list[UUID], before: int) -> Counter[str]:
    pool = call.state.pool
    if body.action == "cancel":
        return Counter(answer or "gone" for answer in await bulk.cancel(pool, ids, body.reason))
    rows = await dead_letters.redrive(pool, ids, before=before, per_second=body.per_second)
    return +Counter({"retried": len(rows), "left_out": len(ids) - len(rows)})


ROUTES: tuple[Route, ...] = (act_on_jobs,)

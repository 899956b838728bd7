"""Which jobs of a workspace a request in bulk means: some by their ids, or those that a filter selects."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from crmd.api.job_view import Status
from crmd.api.problem import Problem, invalid
from crmd.store import bulk
from crmd.store.bulk import BEGINNING, PAGE, JobFilter
from crmd.store.queries import load_queries
from crmd.webhook_job import NAME

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crmd.api.route import Call

_SQL = load_queries("crmd.store")
Instant = Annotated[datetime, Meta(tz=True)]
Word = Annotated[str, Meta(min_length=1, max_length=200)]
Reason = Annotated[str, Meta(min_length=1, max_length=500)]
ENDED: tuple[Status, ...] = ("completed", "failed", "cancelled", "dead")
UNENDED: tuple[Status, ...] = ("pending", "scheduled", "processing")
IDS_MAX = 1000
# One request ends within seconds; who wants more sends it again.
ROWS_MAX = 10_000


class _Choice(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Ids, or any of the filters; never all jobs."""

    ids: Annotated[tuple[UUID, ...], Meta(max_length=IDS_MAX)] | None = None
    status: Annotated[tuple[Status, ...], Meta(description="any of them")] = ()
    type: Word | None = None
    user_id: UUID | None = None
    created_from: Annotated[Instant | None, Meta(description="created at this instant or later")] = None
    created_before: Annotated[Instant | None, Meta(description="created earlier than this")] = None
    error_class: Annotated[Word | None, Meta(description="of the newest error")] = None
    cause: Annotated[Word | None, Meta(description="of one cause, as dead letters are grouped")] = None
    after: Annotated[UUID | None, Meta(description="`nextAfter` of the answer before, to go on")] = None
    is_dry_run: Annotated[bool, Meta(description="only count")] = msgspec.field(name="dryRun", default=False)


class BulkCancel(_Choice, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Which jobs are to be cancelled; without a status: all that have not ended."""

    reason: Reason = "cancelled by request"


class BulkRetry(_Choice, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Which jobs are to be run again; a status has to be given."""

    per_second: Annotated[float, Meta(gt=0, le=10_000)] | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What a request has chosen, checked.

    Attributes:
        wanted: The filter.
        ids: The ids, of which only those of the workspace are touched; None: the filter decides.
        told: What is known already of ids that are not touched.
        described: For the audit.
        after: Where the filter's pages begin.
    """

    wanted: JobFilter
    ids: tuple[UUID, ...] | None = None
    told: dict[UUID, str] = field(default_factory=dict)
    described: dict[str, Any]
    after: UUID = BEGINNING

    async def counts(self, call: Call) -> dict[str, int]:
        """How many there are, by status."""
        found: Counter[str] = Counter(self.told.values())
        if self.ids is not None:
            async with call.state.sight(call.workspace_id) as connection:
                rows = await connection.fetch(_SQL.api_jobs_named, list(self.ids), call.workspace_id)
            found.update(row["status"] for row in rows)
            return dict(found)
        async with call.state.sight(call.workspace_id) as connection:
            for row in await bulk.counts(connection, self.wanted):
                found[row["status"]] += row["jobs"]
        return dict(found)

    async def pages(self, call: Call) -> AsyncIterator[list[UUID]]:
        """Their ids, a page at a time; each page is read by itself, so that no transaction stays open behind it."""
        if self.ids is not None:
            for start in range(0, len(self.ids), PAGE):
                yield list(self.ids[start : start + PAGE])
            return
        after, count = self.after, 0
        while count < ROWS_MAX:
            async with call.state.sight(call.workspace_id) as connection:
                rows = await connection.fetch(_SQL.bulk_page, *self.wanted.arguments(), after, PAGE)
            if not rows:
                return
            yield [row["id"] for row in rows]
            after, count = rows[-1]["id"], count + len(rows)


async def chosen_of(call: Call, body: _Choice, allowed: tuple[Status, ...]) -> Chosen:
    """What the request means.

    Raises:
        Problem: 403 or 422.
    """
    given = {name: value for name in _FILTERS if (value := getattr(body, name))}
    described: dict[str, Any] = msgspec.to_builtins(given)
    wrong = [status for status in body.status if status not in allowed]
    if wrong:
        raise invalid("$.status", f"This is not for jobs that are {wrong[0]}.", f"It is for {', '.join(allowed)} ones.")
    if (body.ids is None) == (not given):
        raise invalid("$.ids", "Give either ids or a filter.", "Without either it would mean every job.")
    wanted = JobFilter(statuses=tuple(body.status or allowed), workspace_id=call.workspace_id,
                       type_left_out=None if body.type else NAME,  # crmd's own work, which no list of theirs shows
                       **{name: getattr(body, name) for name in _FILTERS if name != "status"})  # fmt: skip
    if body.ids is not None:
        return await _named(call, body.ids, wanted, allowed)
    _check_types(call, body.type)
    return Chosen(wanted=wanted, described=described, after=body.after or BEGINNING)


_FILTERS = ("status", "type", "user_id", "created_from", "created_before", "error_class", "cause")


def _check_types(call: Call, job_type: str | None) -> None:
    """A caller that is held to some job types names one of them."""
    if call.identity.job_types is not None and (job_type is None or not call.identity.may_enqueue(job_type)):
        raise Problem(403, "forbidden", "This key or token is for some job types only.", hint="Filter by one: type.")


async def _named(call: Call, ids: tuple[UUID, ...], wanted: JobFilter, allowed: tuple[Status, ...]) -> Chosen:
    async with call.state.sight(call.workspace_id) as connection:
        rows = await connection.fetch(_SQL.api_jobs_named, list(ids), call.workspace_id)
    found = {row["id"]: row for row in rows}
    told: dict[UUID, str] = {one: "not_found" for one in ids if one not in found}
    for row in rows:
        if row["status"] not in allowed:
            told[row["id"]] = row["status"]
        elif not call.identity.may_enqueue(row["type"]):
            raise Problem(403, "forbidden", f"This key or token may not touch jobs of the type {row['type']!r}.")
    touched = tuple(one for one in dict.fromkeys(ids) if one not in told)
    return Chosen(wanted=wanted, ids=touched, told=told, described={"ids": [str(one) for one in touched]})

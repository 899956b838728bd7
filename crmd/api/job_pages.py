"""Pages of jobs: an index leads to them whatever is asked for, and they are counted only as far as that is cheap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crmd.api.job_view import Job, job_of
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from uuid import UUID

    from crmd.api.route import Call

_SQL = load_queries("crmd.store")
# Beyond it the total of a list is not counted but said to be more.
COUNTED_MAX = 1000
# Further back one goes by `before`, which costs the same at any depth; the jobs before an offset are all gone over.
OFFSET_MAX = 5_000
# So many of the newest ended jobs are looked at for operators where no index leads to what they ask for.
LOOKED_MAX = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which jobs; what is None lets all through.

    Attributes:
        statuses: Any of them.
        types: Any of them.
        since: This job or younger.
        before: Older than this job.
    """

    statuses: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    workspace_id: UUID | None = None
    user_id: UUID | None = None
    parent_id: UUID | None = None
    since: UUID | None = None
    before: UUID | None = None

    def arguments(self, before: UUID | None) -> tuple[object, ...]:
        """$1 to $7 of api_job_list.sql."""
        lists = (self.statuses and list(self.statuses), None if self.types is None else list(self.types))
        return (self.workspace_id, lists[0] or None, lists[1], self.user_id, self.parent_id, self.since, before)

    @property
    def is_led(self) -> bool:
        """Whether an index leads to all that fits; otherwise only the newest ended jobs are looked at."""
        if self.workspace_id is not None or self.parent_id is not None:
            return True
        if self.user_id is not None:
            return False
        has_completed = not self.statuses or "completed" in self.statuses
        return not has_completed or (not self.statuses and self.types is None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page, newest first.

    Attributes:
        total: As far as it was counted.
        next_before: Where an unfinished search goes on; None: the list says it.
    """

    jobs: list[Job]
    total: int
    is_total_exact: bool
    has_more: bool
    next_before: UUID | None = None


async def page(call: Call, wanted: Wanted, *, limit: int, offset: int = 0) -> Page:
    """A page of the jobs that the caller sees."""
    async with call.state.sight(call.workspace_id) as connection:
        rows = await connection.fetch(
            _SQL.api_job_list, *wanted.arguments(wanted.before), offset, limit + 1, LOOKED_MAX
        )
        known = offset + len(rows)
        is_counted = len(rows) > limit or wanted.before is not None or (not rows and offset > 0)
        if is_counted:
            known = await connection.fetchval(_SQL.api_job_count, *wanted.arguments(None), COUNTED_MAX + 1, LOOKED_MAX)
        next_before = None
        if len(rows) <= limit and not wanted.is_led:
            next_before = await connection.fetchval(_SQL.api_job_looked, wanted.before, LOOKED_MAX)
    is_whole = wanted.is_led or not (is_counted or next_before)
    return Page(
        jobs=[job_of(dict(row)) for row in rows[:limit]],
        total=min(known, COUNTED_MAX) if is_counted else known,
        is_total_exact=is_whole and not (is_counted and known > COUNTED_MAX),
        has_more=len(rows) > limit or next_before is not None,
        next_before=next_before,
    )

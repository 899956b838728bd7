"""Many jobs at once, by a filter: counted for a dry run, or cancelled page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from crmd.store.circles import fetch_tree
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from crmd.store.pools import Connection, Pool

_SQL = load_queries("crmd.store")
PAGE = 200
BEGINNING = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs are meant; what is None lets all through.

    Args:
        statuses: As users see them.
        type: Of one job type.
        queue: Of one queue.
        workspace_id: Of one workspace.
        user_id: Of one user.
        created_from: Created at this instant or later.
        created_before: Created earlier than this.
        error_class: Whose newest error is of this class.
        cause: Of one cause, as `crmd dead` shows it.
        type_left_out: Of any type but this.
    """

    statuses: tuple[str, ...]
    type: str | None = None
    queue: str | None = None
    workspace_id: UUID | None = None
    user_id: UUID | None = None
    created_from: datetime | None = None
    created_before: datetime | None = None
    error_class: str | None = None
    cause: str | None = None
    type_left_out: str | None = None

    def arguments(self) -> tuple[object, ...]:
        """$1 to $10 of bulk_page.sql and bulk_counts.sql."""
        return (
            list(self.statuses), self.type, self.queue, self.workspace_id, self.user_id, self.created_from,
            self.created_before, self.error_class, self.cause, self.type_left_out,
        )  # fmt: skip


async def counts(database: Pool | Connection, wanted: JobFilter) -> Sequence[Any]:
    """How many jobs the filter selects, by type and status."""
    return await database.fetch(_SQL.bulk_counts, *wanted.arguments())


async def pages(database: Pool | Connection, wanted: JobFilter) -> AsyncIterator[list[UUID]]:
    """The ids that the filter selects, oldest first, a page at a time; what is done to a page does not matter."""
    after = BEGINNING
    while page := await database.fetch(_SQL.bulk_page, *wanted.arguments(), after, PAGE):
        ids = [row["id"] for row in page]
        yield ids
        after = ids[-1]


async def cancel(database: Pool | Connection, ids: Sequence[UUID], reason: str) -> list[str | None]:
    """Cancel jobs and those below them; answers as `crmd.store.jobs.cancel` does, in order of the ids."""
    return [row["answer"] for row in await fetch_tree(database, _SQL.bulk_cancel, list(ids), reason)]

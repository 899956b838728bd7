"""Dead letters: ended jobs that did not go well, grouped by cause, and set going again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from crmd.store.pools import Connection, Pool

_SQL = load_queries("crmd.store")
PAGE = 500
BEGINNING = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadFilter:
    """Which dead letters are meant.

    Args:
        statuses: `dead`, `failed`, or both.
        type: Of one job type.
        workspace_id: Of one workspace.
        cause: Of one cause, as `groups` names it.
        days: That ended within so many days.
    """

    statuses: tuple[str, ...] = ("dead", "failed")
    type: str | None = None
    workspace_id: UUID | None = None
    cause: str | None = None
    days: int = 30


async def groups(database: Pool | Connection, wanted: DeadFilter, limit: int = 50) -> Sequence[Any]:
    """The causes, most frequent first: how many, since when, the newest one's sentence."""
    return await database.fetch(
        _SQL.dead_groups, list(wanted.statuses), wanted.type, wanted.workspace_id, wanted.days, limit
    )


async def pages(database: Pool | Connection, wanted: DeadFilter) -> AsyncIterator[Sequence[Any]]:
    """The letters themselves, oldest first, a page at a time; those that were redriven are left out."""
    after = BEGINNING
    while page := await database.fetch(
        _SQL.dead_page,
        list(wanted.statuses),
        wanted.type,
        wanted.workspace_id,
        wanted.days,
        wanted.cause,
        after,
        PAGE,
    ):
        yield page
        after = page[-1]["id"]


async def redrive(
    database: Pool | Connection,
    ids: Sequence[UUID],
    payloads: Sequence[Any] | None = None,
    *,
    before: int = 0,
    per_second: float | None = None,
) -> Sequence[Any]:
    """Set ended jobs going again; answers `job_id` and `new_job_id` of each that this call redrove.

    Args:
        database: Where.
        ids: Archived jobs; one that was redriven before is left out.
        payloads: Edited ones, in their order, None for one that stays; None: all stay.
        before: How many were redriven before these, so that the rate holds over several calls.
        per_second: How many are due each second; None: all at once. The queue keeps the pace, no process has to stay.
    """
    edited = list(payloads) if payloads is not None else [None] * len(ids)
    return await database.fetch(_SQL.dead_redrive, list(ids), edited, before, per_second)

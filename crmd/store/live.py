"""What has become of jobs since an earlier look, found by the transactions that wrote their rows.

A point is the oldest transaction that had not ended at some instant: whatever had changed before was visible then, and
whatever changes later is of that transaction or a younger one. So a point means the same to every daemon.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta
    from uuid import UUID

    from crmd.store.pools import Connection

_SQL = load_queries("crmd.store")
JOBS_MAX = 1000
"""So many unfinished jobs of a workspace are looked at, the newest."""
TEXT_BYTES_MAX = 8 * 1024
EVER = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the jobs.

    Attributes:
        point: The oldest transaction that had not ended.
        clock: The database's.
    """

    point: int
    clock: datetime


async def now(connection: Connection) -> Look:
    """The look that a new stream begins with."""
    row = await connection.fetchrow(_SQL.live_now)
    assert row is not None  # noqa: S101 - a statement without a table to come back empty
    return Look(row["point"], row["clock"])


async def changes(
    connection: Connection, workspaces: Sequence[UUID] | None, since: Look, ended_within: timedelta
) -> tuple[Look, dict[UUID, int]]:
    """The next look, and the versions of the jobs that have changed since an earlier one.

    Args:
        connection: To read by.
        workspaces: Whose; None: everybody's.
        since: The earlier look.
        ended_within: How much earlier than the look a job may have ended that is seen only now.
    """
    ended = since.clock - ended_within
    if workspaces is None:
        rows = await connection.fetch(_SQL.live_changes_all, str(since.point), since.clock, ended, JOBS_MAX)
    else:
        rows = await connection.fetch(
            _SQL.live_changes, list(workspaces), str(since.point), since.clock, ended, JOBS_MAX
        )
    [look] = [Look(row["point"], row["clock"]) for row in rows if row["id"] is None]
    return look, {row["id"]: row["version"] for row in rows if row["id"] is not None}


async def current(
    connection: Connection, workspace_id: UUID | None, look: Look, ended_within: timedelta
) -> tuple[list[UUID], list[UUID], bool]:
    """The unfinished jobs, those that have just ended, and whether these are all unfinished ones."""
    ended = look.clock - ended_within
    if workspace_id is None:
        rows = await connection.fetch(_SQL.live_current_all, JOBS_MAX + 1, ended)
    else:
        rows = await connection.fetch(_SQL.live_current, workspace_id, JOBS_MAX + 1, ended)
    unfinished = [row["id"] for row in rows if not row["is_ended"]]
    over = [row["id"] for row in rows if row["is_ended"]]
    return unfinished[:JOBS_MAX], over[:JOBS_MAX], len(unfinished) <= JOBS_MAX


async def load(
    connection: Connection, ids: Sequence[UUID], *, workspace_id: UUID | None = None, ended_after: datetime = EVER
) -> list[Any]:
    """Rows of live_load.sql."""
    return await connection.fetch(_SQL.live_load, list(ids), workspace_id, ended_after, TEXT_BYTES_MAX)


async def missing(connection: Connection, ids: Sequence[UUID]) -> list[UUID]:
    """Those that neither wait nor run any more."""
    return [row["id"] for row in await connection.fetch(_SQL.live_missing, list(ids))]

"""Parents and who belongs to them: children, what became of them, batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg

from crmd.errors import RetryJob
from crmd.store import leases
from crmd.store.queries import load_queries
from crmd.store.refusals import refused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from crmd.store.leases import EndedRow, RequeuedRow
    from crmd.store.pools import Connection, Pool

_SQL = load_queries("crmd.store")
_REJECTED = "CR010"


async def settle_parent(connection: Connection, row: EndedRow) -> bool:
    """End the run of a job that has children: it waits for them, or ends with their sum; whether it was still ours."""
    async with connection.transaction():
        family = await connection.fetchrow(_SQL.family_lock, row.token.id, row.result)
        if family is not None and family["pending"] > 0:
            token = row.token
            held = await connection.fetchrow(
                _SQL.settle_awaiting, token.id, token.fence, token.claim_id, row.result, row.progress
            )
            return held is not None
        if family is not None:
            row.result = family["result"]
        return bool(await leases.settle_ended(connection, [row]))


async def settle_gathering(connection: Connection, row: RequeuedRow) -> bool:
    """Let a job wait for its children; it goes on at once when they have ended. Whether it was still ours."""
    async with connection.transaction():
        family = await connection.fetchrow(_SQL.family_lock, row.token.id, None)
        if family is None or family["pending"] <= 0:
            row.held = None
        return bool(await leases.settle_requeued(connection, [row]))


async def with_children(connection: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Those of the jobs that have ever had children."""
    return {row["parent_id"] for row in await connection.fetch(_SQL.families_of, ids)}


async def start_children(
    connection: Connection,
    parent_id: UUID,
    children: bytes,
    workspace_id: UUID | None,
    user_id: UUID | None,
    meta: bytes,
) -> list[UUID]:
    """Enqueue children of several types, `[{"type": …, "payload": {…}}]`; answers ids in their order.

    A child whose unique key is taken is the job that holds it, and counts as a child all the same.

    Raises:
        RetryJob: A full limit rejected one of them; none was started.
        UsageError: No such job type.
    """
    try:
        rows = await connection.fetch(
            _SQL.children_start, parent_id, children.decode(), workspace_id, user_id, meta.decode()
        )
    except asyncpg.PostgresError as error:
        raise _told(error) from error
    if taken := [row["id"] for row in rows if not row["is_new"]]:
        await connection.execute(_SQL.children_count, parent_id, taken)
    return [row["id"] for row in rows]


async def children_stand(connection: Connection | Pool, ids: Sequence[UUID], since: datetime) -> list[Any]:
    """How those of the jobs stand that are still kept."""
    return await connection.fetch(_SQL.children_stand, ids, since)


async def start_batch(
    connection: Connection,
    jobs: bytes,
    callbacks: tuple[bytes | None, bytes | None],
    workspace_id: UUID | None,
    user_id: UUID | None,
    meta: bytes,
) -> UUID:
    """Begin a batch with its callbacks (on_success, on_finish); answers its id.

    Raises:
        UsageError: There is no callback, or no such job type.
    """
    on_success, on_finish = (None if one is None else one.decode() for one in callbacks)
    try:
        batch_id: UUID = await connection.fetchval(
            _SQL.batch_start, jobs.decode(), on_success, on_finish, workspace_id, user_id, meta.decode()
        )
    except asyncpg.PostgresError as error:
        raise _told(error) from error
    return batch_id


async def add_to_batch(connection: Connection, batch_id: UUID, jobs: bytes) -> list[UUID]:
    """Add jobs to a batch; answers their ids.

    Raises:
        UsageError: It has finished, or there is none, or no such job type.
    """
    try:
        return [row["id"] for row in await connection.fetch(_SQL.batch_add, batch_id, jobs.decode())]
    except asyncpg.PostgresError as error:
        raise _told(error) from error


def _told(error: asyncpg.PostgresError) -> BaseException:
    """A mistake of the caller's as its sentence; anything else as it is."""
    if error.sqlstate == _REJECTED:
        return RetryJob(str(error))
    return refused(error)

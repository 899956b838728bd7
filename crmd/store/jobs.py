"""Jobs as their callers see them: enqueue, cancel, retry, look up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg

from crmd.errors import UsageError
from crmd.model import Enqueued
from crmd.store.queries import load_queries
from crmd.stored_text import PAYLOAD_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from crmd.model import Priority
    from crmd.store.pools import Connection, Pool

_SQL = load_queries("crmd.store")


async def enqueue_many(
    connection: Connection | Pool,
    job_type: str,
    payloads: Sequence[Any],
    *,
    workspace_id: UUID | None = None,
    user_id: UUID | None = None,
    run_at: datetime | None = None,
    priority: Priority | None = None,
    queue: str | None = None,
    unique_keys: Sequence[str] | None = None,
    parent_id: UUID | None = None,
    max_attempts: int | None = None,
    meta: Any = None,  # noqa: ANN401 - JSON, in the form that the connection's codec takes
) -> list[Enqueued]:
    """Enqueue a job per payload; answers in their order.

    Args:
        connection: Payloads and meta are what its jsonb codec takes.
        job_type: Name or alias.
        payloads: Checked already.
        workspace_id: None: work of the installation itself.
        user_id: Whom it concerns.
        run_at: When due; None: now.
        priority: None: as declared.
        queue: None: as declared.
        unique_keys: One per payload.
        parent_id: The parent that counts these as its children.
        max_attempts: None: as declared.
        meta: Kept with the job, as its cause.

    Raises:
        UsageError: No such job type.
    """
    if not payloads:
        return []
    try:
        rows = await connection.fetch(
            _SQL.enqueue, job_type, payloads, workspace_id, user_id, run_at, priority, queue, unique_keys, parent_id,
            max_attempts, meta,
        )  # fmt: skip
    except asyncpg.PostgresError as error:
        if error.sqlstate and error.sqlstate.startswith("CR"):
            hint = "See `crmd plugins` for the job types that the loaded plugins declare."
            raise UsageError(f"{str(error).capitalize()}.", hint=hint) from error
        raise
    return [Enqueued(row["id"], row["is_new"]) for row in rows]


def check_size(payload: bytes) -> bytes:
    """The payload, if it is not too large to keep.

    Raises:
        UsageError: It is beyond 256 KiB.
    """
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise UsageError(
            f"The payload has {len(payload):,} bytes; {PAYLOAD_BYTES_MAX:,} are the most.",
            hint="Store the data and pass its id.",
        )
    return payload


async def cancel(connection: Connection | Pool, job_id: UUID, reason: str) -> str | None:
    """Cancel a job and those below it: `cancelled`, `requested`, the status of an ended job, or None: no such job."""
    status: str | None = await connection.fetchval(_SQL.job_cancel, job_id, reason)
    return status


async def retry(connection: Connection | Pool, job_id: UUID) -> Enqueued | None:
    """Run an ended job again as a new job that names the old one; None when there is no ended job of that id."""
    row = await connection.fetchrow(_SQL.job_retry, job_id)
    return None if row is None else Enqueued(row["id"], row["is_new"])


async def show(connection: Connection | Pool, job_id: UUID) -> Mapping[str, Any] | None:
    """One job, in whichever table it stands."""
    row: Mapping[str, Any] | None = await connection.fetchrow(_SQL.job_show, job_id)
    return row


async def list_jobs(
    connection: Connection | Pool,
    *,
    statuses: Sequence[str] | None = None,
    job_type: str | None = None,
    workspace_id: UUID | None = None,
    parent_id: UUID | None = None,
    before_id: UUID | None = None,
    limit: int = 20,
) -> list[Mapping[str, Any]]:
    """Jobs, newest first, `limit` at a time; the next page begins before the last id of this one."""
    return await connection.fetch(_SQL.job_list, statuses, job_type, workspace_id, parent_id, before_id, limit)


async def counts(connection: Connection | Pool) -> list[Mapping[str, Any]]:
    """How many jobs stand in which status, by type; ended ones of the last day."""
    return await connection.fetch(_SQL.job_counts)

"""Jobs as their callers see them: enqueue, cancel, retry, look up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

import asyncpg
from asyncpg.pgproto.pgproto import UUID as PgUUID  # noqa: N811 - asyncpg's own answers are of it

from crmd.errors import CrmdError, UsageError
from crmd.model import Enqueued
from crmd.store.circles import fetch_tree
from crmd.store.queries import load_queries
from crmd.store.refusals import refused
from crmd.stored_text import PAYLOAD_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from crmd.model import OnConflict, Priority, Scope
    from crmd.store.pools import Connection, Pool

    Row: TypeAlias = asyncpg.Record

_SQL = load_queries("crmd.store")
# Stands in no JSON text, neither in a string nor between values.
_SEPARATOR = "\x1e"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJobs:
    """Jobs of one type to be enqueued together.

    Args:
        type: Name or alias.
        payloads: One job each; checked already, in the form that the connection's jsonb codec takes.
        workspace_id: None: work of the installation itself.
        user_id: Whom they concern.
        run_at: When due; None: now.
        priority: None: as declared.
        queue: None: as declared.
        unique_keys: One per payload.
        parent_id: The parent that counts them as its children.
        max_attempts: None: as declared.
        meta: Kept with each job, as its cause; same form as a payload.
        unique_scope: None: as declared.
        unique_seconds: How long scope `for` holds; None: as declared.
        on_conflict: What becomes of a job whose key is taken; None: as declared.
        max_delay_seconds: How far `push_back` may move it; None: as declared.
        delay_seconds: Due so long from now, where `run_at` is None; None: as declared.
        expires_at: Never started after this.
        expires_in_seconds: Never started so long after it was due; None: as declared.
        after: Ids of jobs that have to end well first.
        is_after_any: They only have to end, however they do.
        payload_version: Which version of their type the payloads are; None: the newest that is declared.
    """

    type: str
    payloads: Sequence[Any]
    workspace_id: UUID | None = None
    user_id: UUID | None = None
    run_at: datetime | None = None
    priority: Priority | None = None
    queue: str | None = None
    unique_keys: Sequence[str | None] | None = None
    parent_id: UUID | None = None
    max_attempts: int | None = None
    meta: Any = None
    unique_scope: Scope | None = None
    unique_seconds: float | None = None
    on_conflict: OnConflict | None = None
    max_delay_seconds: float | None = None
    delay_seconds: float | None = None
    expires_at: datetime | None = None
    expires_in_seconds: float | None = None
    after: Sequence[UUID] | None = None
    is_after_any: bool = False
    payload_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """How an ended job is run again.

    Args:
        payload: Takes the place of the old one; checked already, in the form that the connection takes.
        is_failed_items: Only the items that it booked as failed are handed out.
        is_resumed: It goes on from the steps that the old one has kept.
        from_step: Which of them, and all that began after it, is done again all the same.
    """

    payload: Any = None
    is_failed_items: bool = False
    is_resumed: bool = False
    from_step: str | None = None


async def enqueue_many(connection: Connection | Pool, new: NewJobs, *, is_text: bool = False) -> list[Enqueued]:
    """Enqueue a job per payload; answers in their order.

    Args:
        connection: The connection.
        new: The jobs.
        is_text: Payloads and meta are JSON as text, whatever the connection's codec takes.

    Raises:
        UsageError: No such job type, or options that contradict each other.
    """
    return answers_of(await send(connection, new, is_text=is_text), len(new.payloads)) if new.payloads else []


async def send(connection: Connection | Pool, new: NewJobs, *, is_text: bool) -> Row:
    """As `enqueue_many`; answers the row: ids, and what was done, NULL where all jobs are new and may have no keys."""
    payloads = _joined(new.payloads) if is_text else new.payloads
    try:
        row = await connection.fetchrow(
            _SQL.enqueue_text if is_text else _SQL.enqueue,
            new.type, payloads, new.workspace_id, new.user_id, new.run_at, new.priority, new.queue, new.unique_keys,
            new.parent_id, new.max_attempts, new.meta, new.unique_scope, new.unique_seconds, new.on_conflict,
            new.max_delay_seconds, new.delay_seconds, new.expires_at, new.expires_in_seconds, new.after,
            new.payload_version, new.is_after_any,
        )  # fmt: skip
    except asyncpg.PostgresError as error:
        raise refused(error) from error
    assert row is not None  # noqa: S101 - a function that answers arrays answers one row
    return row


def _joined(texts: Sequence[str]) -> str:
    """One text is sent in less time than many, in which the server has nothing to do."""
    joined = _SEPARATOR.join(texts)
    if joined.count(_SEPARATOR) != len(texts) - 1:
        raise UsageError("The payload is not JSON.", hint="Only what was put in raw can be so; encode it.")
    return joined


def answers_of(row: Row, count: int) -> list[Enqueued]:
    """What `send` of so many jobs was answered, job by job."""
    if row["answers"] is None:
        ids = row["ids"] if len(row["ids"]) == count else _following(row["ids"][0], count)
        return [Enqueued(job_id, True) for job_id in ids]
    answers = zip(row["ids"], row["answers"], strict=True)
    return [Enqueued(job_id, answer == "created", answer) for job_id, answer in answers]


def _following(first: UUID, count: int) -> list[UUID]:
    """So many ids that follow one another, as those of a batch do."""
    number = UUID(str(first)).int  # whatever codec the caller's connection has for it
    return [PgUUID((number + place).to_bytes(16, "big")) for place in range(count)]


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
    [row] = await fetch_tree(connection, _SQL.job_cancel, job_id, reason)
    status: str | None = row[0]
    return status


async def retry(connection: Connection | Pool, job_id: UUID, again: Again | None = None) -> Enqueued | None:
    """Run an ended job again as a new job that names the old one; None when there is no ended job of that id.

    Raises:
        UsageError: Its job type is gone, or seals its payloads by now and this one is not.
    """
    how = again or Again()
    try:
        row = await connection.fetchrow(
            _SQL.job_retry, job_id, how.payload, how.is_failed_items, how.is_resumed, how.from_step
        )
    except asyncpg.PostgresError as error:
        raise refused(error) from error
    return None if row is None else Enqueued(row["id"], row["is_new"], row["answer"])


async def show(connection: Connection | Pool, job_id: UUID) -> Row | None:
    """One job, in whichever table it stands."""
    row: Row | None = await connection.fetchrow(_SQL.job_show, job_id)
    return row


async def found(connection: Connection | Pool, job_id: UUID) -> Row:
    """As `show`, for a job that was there a moment ago.

    Raises:
        CrmdError: Retention dropped it in between.
    """
    row = await show(connection, job_id)
    if row is None:
        raise CrmdError(f"Job {job_id} is no longer kept.")
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
) -> list[Row]:
    """Jobs, newest first, `limit` at a time; the next page begins before the last id of this one."""
    return await connection.fetch(_SQL.job_list, statuses, job_type, workspace_id, parent_id, before_id, limit)


async def counts(connection: Connection | Pool) -> list[Row]:
    """How many jobs stand in which status, by type; ended ones of the last day."""
    return await connection.fetch(_SQL.job_counts)

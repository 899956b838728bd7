"""crmd from any program: jobs are enqueued and cancelled on the caller's own connection, inside its own transaction.

Nothing of crmd needs to run in that program, no plugin is loaded, and the connection may be any of asyncpg's, whatever
codecs are set on it: JSON goes over it as text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from crmd.job_type import JobType
from crmd.store import jobs
from crmd.stored_text import encode_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack
    from uuid import UUID

    import msgspec

    from crmd.enqueue_options import EnqueueOptions
    from crmd.model import Enqueued
    from crmd.store.pools import Connection, Pool

    Content: TypeAlias = msgspec.Struct | Mapping[str, object]


async def enqueue(
    connection: Connection | Pool,
    job_type: str | JobType,
    payload: Content | None = None,
    *,
    unique_key: str | None = None,
    **options: Unpack[EnqueueOptions],
) -> Enqueued:
    """Enqueue a job, in the connection's transaction if it is in one.

    Args:
        connection: Any connection or pool of asyncpg's to crmd's database, of a role that may enqueue.
        job_type: Its name or an alias; or the job type itself, then the payload is checked against it here and now.
        payload: Typed, or a mapping with wire names. A name's payload is checked when the job runs.
        unique_key: At most one job of the type and workspace holds it.
        options: See `crmd.enqueue_options.EnqueueOptions`.

    Raises:
        UsageError: There is no such job type, the payload does not fit, or options contradict each other.
    """
    keys = None if unique_key is None else [unique_key]
    [enqueued] = await enqueue_many(connection, job_type, [payload or {}], unique_keys=keys, **options)
    return enqueued


async def enqueue_many(
    connection: Connection | Pool,
    job_type: str | JobType,
    payloads: Sequence[Content],
    *,
    unique_keys: Sequence[str | None] | None = None,
    **options: Unpack[EnqueueOptions],
) -> list[Enqueued]:
    """Enqueue a job per payload in one statement; answers in their order. See `enqueue`."""
    known = job_type if isinstance(job_type, JobType) else None
    new = jobs.NewJobs(
        type=job_type.name if isinstance(job_type, JobType) else job_type,
        payloads=[_text(payload, known) for payload in payloads],
        payload_version=None if known is None else known.version,
        unique_keys=unique_keys,
        **options,
    )
    return await jobs.enqueue_many(connection, new, is_text=True)


async def cancel(connection: Connection | Pool, job_id: UUID, reason: str = "cancelled by request") -> str | None:
    """Cancel a job and those below it, in the connection's transaction if it is in one.

    Answers `cancelled`, `requested` (it runs, and is told to stop), the status of an ended job, or None: no such job.
    """
    return await jobs.cancel(connection, job_id, reason)


def _text(payload: Content, known: JobType | None) -> str:
    encoded: Any = encode_json(payload) if known is None else known.encode(payload)
    return jobs.check_size(encoded).decode()

"""crmd from any program: jobs and events, on the caller's own connection and inside its own transaction.

Nothing of crmd needs to run in that program, no plugin is loaded, and the connection may be any of asyncpg's, whatever
codecs are set on it: JSON goes over it as text.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
import msgspec

from crmd.errors import Veto
from crmd.event import checked_type
from crmd.events.vetoing import ask
from crmd.job_type import JobType
from crmd.store import jobs
from crmd.store.queries import load_queries
from crmd.stored_text import encode_json, encode_payload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from typing import Unpack
    from uuid import UUID

    from crmd.emitting import EmitOptions
    from crmd.enqueue_options import EnqueueOptions
    from crmd.event_handler import SyncHandler
    from crmd.model import Enqueued
    from crmd.store.pools import Connection, Pool

    Content: TypeAlias = msgspec.Struct | Mapping[str, object]

_SQL = load_queries("crmd.store")
PART_MAX = 2_500


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
    """Enqueue a job per payload, all of them or none; answers in their order. See `enqueue`.

    Thousands go in parts, in one transaction: while the database takes one, the next is encoded.
    """
    known = job_type if isinstance(job_type, JobType) else None
    new = jobs.NewJobs(
        type=job_type.name if isinstance(job_type, JobType) else job_type,
        payloads=(),
        payload_version=None if known is None else known.version,
        unique_keys=unique_keys,
        **options,
    )
    # Keys are taken in order over the whole batch, or two of them could wait for each other.
    may_have_keys = unique_keys is not None or (known is not None and known.unique is not None)
    if may_have_keys or len(payloads) <= PART_MAX:
        return await jobs.enqueue_many(connection, _with(new, payloads, known), is_text=True)
    async with _one(connection) as own:
        with contextlib.suppress(_HasKeysError):
            async with own.transaction():
                return [one async for part in _answers(own, new, payloads, known) for one in part]
        return await jobs.enqueue_many(own, _with(new, payloads, known), is_text=True)


class _HasKeysError(Exception):
    """Jobs of a type that was given by name turn out to have keys; what was sent of them is rolled back."""


@contextlib.asynccontextmanager
async def _one(connection: Connection | Pool) -> AsyncIterator[Connection]:
    if isinstance(connection, asyncpg.Pool):
        async with connection.acquire() as own:
            yield own
    else:
        yield connection


async def _answers(
    connection: Connection, new: jobs.NewJobs, payloads: Sequence[Content], known: JobType | None
) -> AsyncIterator[list[Enqueued]]:
    under_way: asyncio.Task[Any] | None = None
    count = 0
    try:
        for first in range(0, len(payloads), PART_MAX):
            part = _with(new, payloads[first : first + PART_MAX], known)
            before, under_way = under_way, None
            row = await before if before is not None else None
            under_way = asyncio.create_task(jobs.send(connection, part, is_text=True))
            count = len(part.payloads)
            await asyncio.sleep(0)  # it is sent before the last answer is read, and the next part encoded
            if row is not None:
                if known is None and row["answers"] is not None:
                    raise _HasKeysError
                yield jobs.answers_of(row, PART_MAX)
        if under_way is not None:
            yield jobs.answers_of(await under_way, count)
    finally:
        if under_way is not None and not under_way.done():
            under_way.cancel()
            await asyncio.wait([under_way])


def _with(new: jobs.NewJobs, payloads: Sequence[Content], known: JobType | None) -> jobs.NewJobs:
    return dataclasses.replace(new, payloads=[_text(payload, known) for payload in payloads])


async def emit(
    connection: Connection,
    event_type: str,
    data: Content,
    *,
    handlers: Sequence[SyncHandler] = (),
    **options: Unpack[EmitOptions],
) -> UUID:
    """Emit an event, in the connection's transaction if it is in one; answers its id.

    Args:
        connection: Any connection of asyncpg's to crmd's database, of a role that may emit.
        event_type: As `contact.created`.
        data: What happened.
        handlers: Sync handlers to be asked; those that hear of other events are left out. The role has to be able to
            read events for that.
        options: See `crmd.emitting.EmitOptions`.

    Raises:
        Veto: A handler, or a function of the database, said no.
    """
    checked_type(event_type)
    heard_by = [handler for handler in handlers if handler.hears(event_type)]
    async with connection.transaction():
        try:
            event_id: UUID = await connection.fetchval(
                _SQL.emit_text, event_type, [_text(data, None)], *_about(options)
            )
        except asyncpg.RaiseError as error:
            raise Veto(str(error)) from error
        if heard_by:
            rows = await connection.fetch(_SQL.event_rows, [event_id])
            await ask([dict(row) for row in rows], heard_by, connection)
    return event_id


def _about(options: EmitOptions) -> tuple[Any, ...]:
    """$3 to $7 of emit_text.sql."""
    given = options.get("metadata")
    about = {**({} if given is None else msgspec.to_builtins(given)), "version": options.get("version", 1)}
    aggregate_id = options.get("aggregate_id")
    ids = None if aggregate_id is None else [str(aggregate_id)]
    who = (options.get("workspace_id"), options.get("user_id"))
    return (*who, options.get("aggregate_type"), ids, encode_json(about).decode())


async def cancel(connection: Connection | Pool, job_id: UUID, reason: str = "cancelled by request") -> str | None:
    """Cancel a job and those below it, in the connection's transaction if it is in one.

    Answers `cancelled`, `requested` (it runs, and is told to stop), the status of an ended job, or None: no such job.
    """
    return await jobs.cancel(connection, job_id, reason)


def _text(payload: Content, known: JobType | None) -> str:
    encoded: Any = encode_payload(payload) if known is None else known.encode(payload)
    return jobs.check_size(encoded).decode()

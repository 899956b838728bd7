"""A job's transaction: it locks the lease by token first, so it commits for the holder of the lease or not at all.

The plugin's statements run as the role `crmd_app` under row-level security for the job's workspace. The engine's own
(checkpoint, cursor, enqueue) run in the same transaction with the engine's rights.
"""

from __future__ import annotations

import contextlib
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec

from crmd.engine.borrowing import borrowed, hold
from crmd.engine.emitter import Emitter
from crmd.engine.footprint import held_by
from crmd.engine.job_schedules import JobSchedules
from crmd.engine.starter import Starter
from crmd.store import connections, leases
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from uuid import UUID

    from crmd.engine.run import Run
    from crmd.event_handler import SyncHandler
    from crmd.job_type import JobType
    from crmd.store.pools import Connection, Pool

_SQL = load_queries("crmd.store")


class JobTransaction:
    """Implements `crmd.Transaction`. What starts jobs is a `Starter`'s, what emits an `Emitter`'s.

    None of these leads back to it: all that it holds, the payload of its job too, is free when its block ends, and not
    when the garbage collector comes.

    Attributes:
        as_engine: The transaction's connection with the engine's rights, for what the engine keeps in it.
    """

    def __init__(
        self,
        connection: Connection,
        run: Run,
        job_types: Mapping[str, JobType],
        *,
        is_role_changed: bool,
        sync_handlers: Sequence[SyncHandler] = (),
    ) -> None:
        self._connection = connection
        self._run = run
        self.as_engine = partial(_as_engine, connection, is_role_changed=is_role_changed)
        starter = Starter(run, job_types, self.as_engine)
        self.enqueue = starter.enqueue
        self.enqueue_many = starter.enqueue_many
        within = weakref.ref(self)
        emitter = Emitter(run, sync_handlers, self.as_engine, within=within, savepoint=connection.transaction)
        self.emit = emitter.emit
        self.emit_many = emitter.emit_many
        self.executemany = connection.executemany
        self.schedules = JobSchedules(run, job_types, self.as_engine)

    async def fetch(self, query: str, *args: object) -> list[Any]:
        """All rows."""
        return await self._connection.fetch(query, *args)

    async def fetchrow(self, query: str, *args: object) -> Any:  # noqa: ANN401 - a row, or None
        """The first row, or None."""
        return await self._connection.fetchrow(query, *args)

    async def fetchval(self, query: str, *args: object) -> Any:  # noqa: ANN401 - whatever the column holds
        """The first column of the first row, or None."""
        return await self._connection.fetchval(query, *args)

    async def execute(self, query: str, *args: object) -> str:
        """The command tag."""
        return await self._connection.execute(query, *args)

    async def checkpoint(self, value: object) -> None:
        """Keep `value`, if this transaction commits."""
        async with self.as_engine() as connection:
            await leases.write_checkpoint(connection, self._run.token, msgspec.to_builtins(value, str_keys=True))

    async def set_cursor(self, connection_id: UUID, name: str, value: object, *, expected: object) -> bool:
        """Move a connection's cursor if it still holds `expected`; whether it did."""
        token = self._run.token
        async with self.as_engine() as connection:
            return await connections.set_cursor(
                connection, connection_id, name, value, expected=expected, job_id=token.id, fence=token.fence
            )

    async def mark_synced(self, connection_id: UUID) -> None:
        """Note that the connection is fresh as of now."""
        async with self.as_engine() as connection:
            await connections.mark_synced(connection, connection_id)


@contextlib.asynccontextmanager
async def _as_engine(connection: Connection, *, is_role_changed: bool) -> AsyncIterator[Connection]:
    if not is_role_changed:
        yield connection
        return
    await connection.execute(_SQL.role_engine)
    try:
        yield connection
    finally:
        # A plugin may catch what was raised and go on, but never with the engine's rights. Where the transaction
        # is aborted nothing can go on.
        if not connection.is_closed():
            with contextlib.suppress(asyncpg.InFailedSQLTransactionError):
                await connection.execute(_SQL.role_app)


@contextlib.asynccontextmanager
async def job_transaction(
    pool: Pool,
    run: Run,
    job_types: Mapping[str, JobType],
    workspace_id: UUID | None,
    *,
    is_role_changed: bool,
    sync_handlers: Sequence[SyncHandler] = (),
) -> AsyncIterator[JobTransaction]:
    """A transaction of the job that `run` is.

    Raises:
        LeaseLost: Another claim holds the job by now; nothing was written.
        TimeoutError: No connection was free, or another transaction of the job is open.
    """
    async with borrowed(pool, run) as connection, connection.transaction():
        await hold(connection, run)
        await connection.fetch(_SQL.workspace_set, "" if workspace_id is None else str(workspace_id))
        if is_role_changed:
            await connection.execute(_SQL.role_app)
        tx = JobTransaction(connection, run, job_types, is_role_changed=is_role_changed, sync_handlers=sync_handlers)
        with held_by(run):
            yield tx

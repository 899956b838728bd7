"""Emits on behalf of a running job: its workspace, its user, its cause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
import msgspec

from crmd.engine.cause import cause_of
from crmd.errors import UsageError, Veto
from crmd.event import checked_type
from crmd.events.vetoing import ask
from crmd.store.jobs import check_size
from crmd.store.queries import load_queries
from crmd.stored_text import encode_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from uuid import UUID

    from crmd.context import Transaction
    from crmd.engine.run import Run
    from crmd.event import EventMetadata
    from crmd.event_handler import SyncHandler
    from crmd.store.pools import Connection

    Content: TypeAlias = msgspec.Struct | Mapping[str, object]

_SQL = load_queries("crmd.store")
# A handler that may veto can emit as well, and hear of that again; this deep, it is taken for a circle.
DEPTH_MAX = 8


class Emitter:
    """Implements `crmd.Emitting`.

    Args:
        run: The running job.
        handlers: All that hear of events inside the transaction.
        as_engine: Gives a connection inside a transaction, with the engine's rights.
        within: Tells the transaction of the job that the events belong to, as long as there is one; None: each
            call has one of its own.
        open_transaction: Without `within`, opens one for a call that handlers hear of.
        savepoint: With `within`, opens a part of it that can be taken back.
    """

    __slots__ = ("_as_engine", "_depth", "_handlers", "_open_transaction", "_run", "_savepoint", "_within")

    def __init__(
        self,
        run: Run,
        handlers: Sequence[SyncHandler],
        as_engine: Callable[[], AbstractAsyncContextManager[Connection]],
        *,
        within: Callable[[], Transaction | None] = lambda: None,
        open_transaction: Callable[[], AbstractAsyncContextManager[Transaction]] | None = None,
        savepoint: Callable[[], AbstractAsyncContextManager[object]] | None = None,
    ) -> None:
        self._run = run
        self._handlers = handlers
        self._as_engine = as_engine
        self._within = within
        self._open_transaction = open_transaction
        self._savepoint = savepoint
        self._depth = 0

    async def emit(
        self,
        event_type: str,
        data: Content,
        *,
        aggregate_type: str | None = None,
        aggregate_id: object = None,
        version: int = 1,
        metadata: EventMetadata | None = None,
    ) -> UUID:
        """See `crmd.Emitting`."""
        ids = None if aggregate_id is None else [aggregate_id]
        [event_id] = await self.emit_many(
            event_type, [data], aggregate_type=aggregate_type, aggregate_ids=ids, version=version, metadata=metadata
        )
        return event_id

    async def emit_many(
        self,
        event_type: str,
        data: Sequence[Content],
        *,
        aggregate_type: str | None = None,
        aggregate_ids: Sequence[object] | None = None,
        version: int = 1,
        metadata: EventMetadata | None = None,
    ) -> list[UUID]:
        """See `crmd.Emitting`."""
        if not data:
            return []
        heard_by = [handler for handler in self._handlers if handler.hears(event_type)]
        if heard_by and self._open_transaction is not None:
            async with self._open_transaction() as tx:
                return await tx.emit_many(
                    event_type,
                    data,
                    aggregate_type=aggregate_type,
                    aggregate_ids=aggregate_ids,
                    version=version,
                    metadata=metadata,
                )
        written = self._written(event_type, data, aggregate_type, aggregate_ids, version, metadata)
        return await self._write(written, heard_by)

    def _written(
        self,
        event_type: str,
        data: Sequence[Content],
        aggregate_type: str | None,
        aggregate_ids: Sequence[object] | None,
        version: int,
        metadata: EventMetadata | None,
    ) -> tuple[Any, ...]:
        """The parameters of emit.sql."""
        row = self._run.row
        ids = None if aggregate_ids is None else [str(aggregate_id) for aggregate_id in aggregate_ids]
        about = {"source": row["type"], **_given(metadata), **cause_of(row), "version": version}
        items = [_storable(item) for item in data]
        return (checked_type(event_type), items, row["workspace_id"], row["user_id"], aggregate_type, ids, about)

    async def _write(self, written: tuple[Any, ...], heard_by: Sequence[SyncHandler]) -> list[UUID]:
        tx = self._within()
        if not heard_by or tx is None or self._savepoint is None:
            return [row["id"] for row in await self._fetch(_SQL.emit, *written)]
        if self._depth >= DEPTH_MAX:
            raise UsageError(
                f"Handlers of {written[0]} emit what they hear of themselves.", hint="Leave out sync for one of them."
            )
        self._depth += 1
        try:
            async with self._savepoint():  # what a handler refuses leaves nothing, even where that is caught
                ids = [row["id"] for row in await self._fetch(_SQL.emit, *written)]
                await ask(await self._fetch(_SQL.event_rows, ids), heard_by, tx)
        finally:
            self._depth -= 1
        return ids

    async def _fetch(self, query: str, *args: object) -> list[Any]:
        async with self._as_engine() as connection:
            try:
                return await connection.fetch(query, *args)
            except asyncpg.RaiseError as error:
                raise Veto(str(error)) from error


def _given(metadata: EventMetadata | None) -> dict[str, Any]:
    return {} if metadata is None else msgspec.to_builtins(metadata)


def _storable(item: Content) -> object:
    """Plain objects that PostgreSQL can keep, for a connection whose jsonb codec takes them."""
    return msgspec.json.decode(check_size(encode_json(item)))

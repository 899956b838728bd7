"""Starts jobs and tells of events on behalf of a running job: its workspace, its children, its cause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from crmd.errors import UsageError
from crmd.store import jobs
from crmd.store.queries import load_queries
from crmd.stored_text import encode_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime
    from uuid import UUID

    from crmd.engine.run import Run
    from crmd.job_type import JobType
    from crmd.model import Enqueued, Priority
    from crmd.store.pools import Connection

    Content: TypeAlias = msgspec.Struct | Mapping[str, object]

_SQL = load_queries("crmd.store")


class Starter:
    """Implements `crmd.Enqueuing`.

    Args:
        run: The running job.
        job_types: Every loaded job type by name and alias; payloads are checked against them.
        as_engine: Gives a connection, with the engine's rights, whose jsonb codec takes plain objects.
    """

    __slots__ = ("_as_engine", "_job_types", "_run")

    def __init__(
        self,
        run: Run,
        job_types: Mapping[str, JobType],
        as_engine: Callable[[], AbstractAsyncContextManager[Connection]],
    ) -> None:
        self._run = run
        self._job_types = job_types
        self._as_engine = as_engine

    async def enqueue(
        self,
        job_type: str,
        payload: Content | None = None,
        *,
        run_at: datetime | None = None,
        priority: Priority | None = None,
        unique_key: str | None = None,
        is_child: bool = False,
        workspace_id: UUID | None = None,
    ) -> Enqueued:
        """See `crmd.Enqueuing`."""
        [enqueued] = await self._start(
            jobs.NewJobs(
                type=job_type,
                payloads=[self._checked(job_type, payload)],
                run_at=run_at,
                priority=priority,
                unique_keys=None if unique_key is None else [unique_key],
                workspace_id=workspace_id or self._run.row["workspace_id"],
                **self._cause(is_child=is_child),
            )
        )
        return enqueued

    async def enqueue_many(
        self,
        job_type: str,
        payloads: Sequence[Content],
        *,
        run_at: datetime | None = None,
        priority: Priority | None = None,
        is_child: bool = False,
        workspace_id: UUID | None = None,
    ) -> list[Enqueued]:
        """See `crmd.Enqueuing`."""
        return await self._start(
            jobs.NewJobs(
                type=job_type,
                payloads=[self._checked(job_type, payload) for payload in payloads],
                run_at=run_at,
                priority=priority,
                workspace_id=workspace_id or self._run.row["workspace_id"],
                **self._cause(is_child=is_child),
            )
        )

    async def emit(
        self, event_type: str, data: Content, *, aggregate_type: str | None = None, aggregate_id: object = None
    ) -> None:
        """See `crmd.Enqueuing`."""
        ids = None if aggregate_id is None else [aggregate_id]
        await self.emit_many(event_type, [data], aggregate_type=aggregate_type, aggregate_ids=ids)

    async def emit_many(
        self,
        event_type: str,
        data: Sequence[Content],
        *,
        aggregate_type: str | None = None,
        aggregate_ids: Sequence[object] | None = None,
    ) -> None:
        """See `crmd.Enqueuing`."""
        if not data:
            return
        row = self._run.row
        ids = None if aggregate_ids is None else [str(aggregate_id) for aggregate_id in aggregate_ids]
        metadata = {"source": row["type"], "causationId": str(row["id"])}
        async with self._as_engine() as connection:
            await connection.fetch(
                _SQL.emit,
                event_type,
                [msgspec.to_builtins(item, str_keys=True) for item in data],
                row["workspace_id"],
                row["user_id"],
                aggregate_type,
                ids,
                metadata,
            )

    async def _start(self, new: jobs.NewJobs) -> list[Enqueued]:
        async with self._as_engine() as connection:
            enqueued = await jobs.enqueue_many(connection, new)
        if new.parent_id is not None:
            self._run.has_children = True
        return enqueued

    def _cause(self, *, is_child: bool) -> dict[str, Any]:
        row = self._run.row
        return {
            "user_id": row["user_id"],
            "parent_id": row["id"] if is_child else None,
            "meta": {"causationId": str(row["id"])},
        }

    def _checked(self, name: str, payload: Content | None) -> object:
        job_type = self._job_types.get(name)
        if job_type is None:
            raise UsageError(f"No loaded plugin declares the job type {name!r}.", hint="Check the name and [plugins].")
        return msgspec.json.decode(jobs.check_size(encode_json(msgspec.json.decode(job_type.encode(payload)))))

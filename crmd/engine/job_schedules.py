"""Schedules on behalf of a running job: they belong to its workspace, and their payloads fit their job types."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from crmd.errors import FailJob, UsageError
from crmd.store import schedules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime
    from uuid import UUID

    from crmd.engine.run import Run
    from crmd.job_type import JobType
    from crmd.scheduling import NewSchedule
    from crmd.store.pools import Connection


class JobSchedules:
    """Implements `crmd.Schedules`.

    Args:
        run: The running job.
        job_types: Every loaded job type by name and alias; payloads are checked against them.
        as_engine: Gives a connection with the engine's rights.
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

    async def add(self, *new: NewSchedule) -> list[str]:
        """See `crmd.Schedules`."""
        owned = [self._owned(one) for one in new]
        async with self._as_engine() as connection:
            return await schedules.schedule(connection, *owned)

    async def remove(
        self,
        name: str | None = None,
        *,
        user_id: UUID | None = None,
        connection_id: UUID | None = None,
        subject: str | None = None,
    ) -> int:
        """See `crmd.Schedules`."""
        if name is None and user_id is None and connection_id is None and subject is None:
            raise UsageError(
                "Nothing says which schedules to drop.", hint="Name one, or its user, connection, subject."
            )
        async with self._as_engine() as connection:
            return await schedules.unschedule(
                connection,
                name,
                workspace_id=self._workspace_id,
                user_id=user_id,
                connection_id=connection_id,
                subject=subject,
            )

    async def move(self, subject: str, at: datetime) -> int:
        """See `crmd.Schedules`."""
        async with self._as_engine() as connection:
            return await schedules.move_subject(connection, subject, at, workspace_id=self._workspace_id)

    @property
    def _workspace_id(self) -> UUID | None:
        workspace_id: UUID | None = self._run.row["workspace_id"]
        return workspace_id

    def _owned(self, new: NewSchedule) -> NewSchedule:
        """Of the job's workspace, with a payload that its job type takes."""
        own = self._workspace_id
        if own is not None and new.workspace_id not in {None, own}:
            raise FailJob("A job with a workspace cannot make schedules for another one.")
        job_type = self._job_types.get(new.job_type)
        if job_type is None:
            raise UsageError(f"No loaded plugin declares the job type {new.job_type!r}.", hint="Check [plugins].")
        payload = new.payload
        if new.connection_id is not None and job_type.connection is not None:
            payload = {job_type.connection: str(new.connection_id), **msgspec.to_builtins(payload, str_keys=True)}
        checked = msgspec.json.decode(job_type.encode(payload))
        return replace(new, workspace_id=new.workspace_id or own, payload=checked)

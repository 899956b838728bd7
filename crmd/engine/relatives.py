"""Jobs that a job starts so that somebody is told of their end: children that it gathers, and batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from crmd.engine.cause import meta_of
from crmd.errors import UsageError
from crmd.store import families, jobs
from crmd.stored_text import encode_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from uuid import UUID

    from crmd.durable import NewChild
    from crmd.engine.run import Run
    from crmd.job_type import JobType
    from crmd.store.pools import Connection


class Relatives:
    """Starts them on behalf of a running job: for its workspace and user, with the job as their cause.

    Args:
        run: The running job.
        job_types: Every loaded job type by name and alias; payloads are checked against them.
        as_engine: Gives a connection with the engine's rights in a transaction that only the lease's holder commits.
    """

    def __init__(
        self,
        run: Run,
        job_types: Mapping[str, JobType],
        as_engine: Callable[[], AbstractAsyncContextManager[Connection]],
    ) -> None:
        self._run = run
        self._job_types = job_types
        self._as_engine = as_engine

    async def start(self, connection: Connection, children: Sequence[NewChild]) -> list[UUID]:
        """Start children of this job in a transaction of the caller's; answers their ids, in order."""
        row = self._run.row
        self._run.has_children = True
        wanted = self._written(children)
        return await families.start_children(
            connection, row["id"], wanted, row["workspace_id"], row["user_id"], encode_json(meta_of(self._run))
        )

    async def batch(
        self, jobs: Sequence[NewChild], *, on_success: NewChild | None = None, on_finish: NewChild | None = None
    ) -> UUID:
        """See `crmd.Durable`."""
        row = self._run.row
        wanted = self._written(jobs)
        success, finish = (None if one is None else encode_json(self._checked(one)) for one in (on_success, on_finish))
        async with self._as_engine() as connection:
            meta = encode_json(meta_of(self._run))
            return await families.start_batch(
                connection, wanted, (success, finish), row["workspace_id"], row["user_id"], meta
            )

    async def batch_add(self, batch_id: UUID, jobs: Sequence[NewChild]) -> list[UUID]:
        """See `crmd.Durable`."""
        wanted = self._written(jobs)
        async with self._as_engine() as connection:
            return await families.add_to_batch(connection, batch_id, wanted)

    def _written(self, wanted: Sequence[NewChild]) -> bytes:
        return encode_json([self._checked(one) for one in wanted])

    def _checked(self, wanted: NewChild) -> dict[str, object]:
        name, payload = (wanted, None) if isinstance(wanted, str) else wanted
        job_type = self._job_types.get(name)
        if job_type is None:
            raise UsageError(f"No loaded plugin declares the job type {name!r}.", hint="Check the name and [plugins].")
        return {"type": name, "payload": msgspec.Raw(jobs.check_size(job_type.encode(payload)))}

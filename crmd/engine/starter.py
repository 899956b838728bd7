"""Starts jobs on behalf of a running job: its workspace, its children, its cause."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

from crmd.engine.cause import meta_of
from crmd.errors import UsageError
from crmd.store import jobs
from crmd.stored_text import encode_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from typing import Unpack

    from crmd.engine.run import Run
    from crmd.enqueue_options import EnqueueOptions
    from crmd.job_type import JobType
    from crmd.model import Enqueued
    from crmd.store.pools import Connection

    Content: TypeAlias = msgspec.Struct | Mapping[str, object]


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
        unique_key: str | None = None,
        is_child: bool = False,
        **options: Unpack[EnqueueOptions],
    ) -> Enqueued:
        """See `crmd.Enqueuing`."""
        keys = None if unique_key is None else [unique_key]
        [enqueued] = await self.enqueue_many(job_type, [payload or {}], unique_keys=keys, is_child=is_child, **options)
        return enqueued

    async def enqueue_many(
        self,
        job_type: str,
        payloads: Sequence[Content],
        *,
        unique_keys: Sequence[str | None] | None = None,
        is_child: bool = False,
        **options: Unpack[EnqueueOptions],
    ) -> list[Enqueued]:
        """See `crmd.Enqueuing`."""
        row = self._run.row
        known = self._known(job_type)
        options["workspace_id"] = options.get("workspace_id") or row["workspace_id"]
        options["user_id"] = options.get("user_id") or row["user_id"]
        return await self._start(
            jobs.NewJobs(
                type=job_type,
                payloads=[_checked(known, payload) for payload in payloads],
                payload_version=known.version,
                unique_keys=unique_keys,
                parent_id=row["id"] if is_child else None,
                meta=meta_of(self._run),
                **options,
            )
        )

    async def _start(self, new: jobs.NewJobs) -> list[Enqueued]:
        async with self._as_engine() as connection:
            enqueued = await jobs.enqueue_many(connection, new)
        if new.parent_id is not None:
            self._run.has_children = True
        return enqueued

    def _known(self, name: str) -> JobType:
        job_type = self._job_types.get(name)
        if job_type is None:
            raise UsageError(f"No loaded plugin declares the job type {name!r}.", hint="Check the name and [plugins].")
        return job_type


def _checked(job_type: JobType, payload: Content) -> object:
    """The payload as a plain object, which is what the codec of a job's transaction takes."""
    return msgspec.json.decode(jobs.check_size(encode_json(msgspec.json.decode(job_type.encode(payload)))))

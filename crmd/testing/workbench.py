"""Runs jobs in a test as a daemon would: the same claim, the same handling, the same settle, one step at a time."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from crmd.composition import opened
from crmd.engine.handling import handle
from crmd.engine.heartbeat import register
from crmd.engine.run import Run
from crmd.engine.scheduler import schedule_once
from crmd.engine.settler import Settler
from crmd.engine.unknown_type import unknown_job_type
from crmd.errors import UsageError
from crmd.store import jobs, leases
from crmd.store.leases import BEGINNING, LaneTurn, Token
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import datetime
    from uuid import UUID

    from crmd.composition import Opened
    from crmd.config.loading import Config
    from crmd.model import Enqueued
    from crmd.plugins import Entry

_SQL = load_queries("crmd.testing")
LEASE_SECONDS = 3600.0
BATCH = 100


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a job.

    Attributes:
        status: As users see it; `pending` or `scheduled` when it is to run again.
        errors: Newest last.
    """

    id: UUID
    type: str
    status: str
    attempt: int
    result: Any
    errors: list[dict[str, Any]]
    progress: dict[str, Any] | None
    checkpoint: Any

    @property
    def message(self) -> str:
        """The newest error's sentence; empty when there is none."""
        return str(self.errors[-1]["message"]) if self.errors else ""


class TestClock:
    """The database's clock, in the test's hands."""

    __test__ = False

    def __init__(self, everything: Opened) -> None:
        self._pool = everything.pools.control

    async def advance(self, seconds: float) -> None:
        """Move it on."""
        await self._pool.execute(_SQL.clock_shift, seconds)

    async def freeze(self, at: datetime) -> None:
        """Stop it at an aware instant."""
        await self._pool.execute(_SQL.clock_freeze, at)


class Workbench:
    """What a test holds: the opened parts, a clock, and the steps of a daemon.

    Attributes:
        everything: Pools, plugins, services, vault.
        clock: The injected clock.
        workspace_id: A workspace that jobs belong to when no other is named.
    """

    def __init__(self, everything: Opened, daemon_id: UUID) -> None:
        self.everything = everything
        self.clock = TestClock(everything)
        self.workspace_id = uuid4()
        self._daemon_id = daemon_id
        self._pool = everything.pools.control
        self._settler = Settler(self._pool, lambda _: None)

    async def enqueue(
        self, job_type: str, payload: object = None, *, workspace_id: UUID | None = None, user_id: UUID | None = None
    ) -> Enqueued:
        """Enqueue a job after checking its payload, as every front end does."""
        known = self.everything.loaded.job_types.get(job_type)
        if known is None:
            raise UsageError(f"No loaded plugin declares the job type {job_type!r}.")
        new = jobs.NewJobs(
            type=job_type,
            payloads=[jobs.check_size(known.encode(payload))],
            workspace_id=workspace_id or self.workspace_id,
            user_id=user_id,
        )
        [enqueued] = await jobs.enqueue_many(self._pool, new)
        return enqueued

    async def run_job(
        self, job_type: str, payload: object = None, *, workspace_id: UUID | None = None, user_id: UUID | None = None
    ) -> Finished:
        """Enqueue a job, run this one attempt of it, and answer what became of it."""
        enqueued = await self.enqueue(job_type, payload, workspace_id=workspace_id, user_id=user_id)
        return await self.attempt(enqueued.id)

    async def attempt(self, job_id: UUID) -> Finished:
        """Run one attempt of a waiting job, whatever is before it in the queue.

        Raises:
            UsageError: The job is not due, or does not wait.
        """
        rows = await leases.claim_one(self._pool, self._daemon_id, job_id, leases.new_claim_id())
        if not rows:
            raise UsageError(f"Job {job_id} is not due or does not wait.")
        await self._run(rows[0])
        return await self.finished(job_id)

    async def drain(self, *, jobs_max: int = 10_000, is_time_moved: bool = False) -> list[Finished]:
        """Run what is due, and what that starts, until nothing is due any more.

        Args:
            jobs_max: Stop after so many attempts, since a job may go on for ever.
            is_time_moved: Advance the clock to whatever waits for a later instant, retries above all.
        """
        ran: list[UUID] = []
        is_second_look = False
        while len(ran) < jobs_max:
            rows = await self._claim()
            for row in rows:
                await self._run(row)
                ran.append(row["id"])
            if rows:
                is_second_look = False
                continue
            seconds: float | None = await self._pool.fetchval(_SQL.due_next)
            if seconds is not None and seconds <= 0 and not is_second_look:
                is_second_look = True  # it fell due after the claim, or a limit or gate holds it back: the claim tells
                continue
            if not is_time_moved or seconds is None or seconds <= 0:
                break
            await self.clock.advance(seconds + 0.001)
        return [await self.finished(job_id) for job_id in dict.fromkeys(ran)]

    async def tick(self) -> None:
        """Fire the schedules that are due."""
        await schedule_once(self._pool)

    async def finished(self, job_id: UUID) -> Finished:
        """How a job stands."""
        row = await jobs.show(self._pool, job_id)
        assert row is not None, f"there is no job {job_id}"  # noqa: S101 - a test's own assertion
        return Finished(
            row["id"],
            row["type"],
            row["status"],
            row["attempt"],
            _decoded(row["result"]),
            _decoded(row["errors"]) or [],
            _decoded(row["progress"]),
            _decoded(row["checkpoint"]),
        )

    async def events(self, event_type: str) -> list[dict[str, Any]]:
        """The data of the events of a type, oldest first."""
        return [_decoded(row["data"]) for row in await self._pool.fetch(_SQL.events, event_type)]

    async def _claim(self) -> list[Any]:
        found: list[Any] = []
        for queue in self.everything.config.queues:
            claim_id = leases.new_claim_id()
            found += await leases.claim_ready(self._pool, self._daemon_id, queue, BATCH, BEGINNING, claim_id)
            found += await leases.claim_lanes(self._pool, self._daemon_id, queue, BATCH, LaneTurn(), {}, claim_id)
        return found

    async def _run(self, row: Any) -> None:  # noqa: ANN401 - a row of claim_*.sql
        services = self.everything.services
        job_type = services.job_types.get(row["type"]) or unknown_job_type(row["type"])
        run = Run(row, job_type, Token(row["id"], row["fence"], row["claim_id"]))
        if row["unique_key"] is not None:  # what a claimer does once a job has started
            await leases.free_started(self._pool, [row["id"]], [row["unique_key"]])
        self._settler.add(run, await handle(run, services))
        await self._settler.settle_once()


@contextlib.asynccontextmanager
async def open_workbench(config: Config, entries: Mapping[str, Entry] | None = None) -> AsyncIterator[Workbench]:
    """A workbench on the database of `config`.

    Args:
        config: With the DSN of a database of the test's own.
        entries: Where plugins come from; None: from what is installed.
    """
    async with opened(config, entries=entries) as everything:
        await everything.pools.control.execute(_SQL.clock_inject)
        daemon_id = await register(everything.pools.control, "test", list(config.queues), LEASE_SECONDS)
        yield Workbench(everything, daemon_id)


def _decoded(data: bytes | None) -> Any:  # noqa: ANN401 - any JSON value
    return None if data is None else msgspec.json.decode(data)

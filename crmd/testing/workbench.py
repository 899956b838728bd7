"""Runs jobs in a test as a daemon would: the same claim, the same handling, the same settle, one step at a time."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from crmd.composition import opened
from crmd.engine import own_task
from crmd.engine.handling import handle
from crmd.engine.heartbeat import register
from crmd.engine.run import Run
from crmd.engine.scheduler import schedule_once
from crmd.engine.settler import Settler
from crmd.engine.unknown_type import unknown_job_type
from crmd.errors import UsageError
from crmd.events.projecting import Projecting
from crmd.lanes import Turns
from crmd.store import jobs, lane_claims, leases
from crmd.store.claimed_row import whole
from crmd.store.leases import BEGINNING, Token
from crmd.store.queries import load_queries
from crmd.testing.expecting import Expecting
from crmd.testing.finished import Finished, finished_of
from crmd.testing.injected_clock import TestClock
from crmd.testing.travelling import Travelling
from crmd.testing.virtual_daemon import new_daemon

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping
    from uuid import UUID

    from crmd.composition import Opened
    from crmd.config.loading import Config
    from crmd.model import Enqueued
    from crmd.plugins import Entry
    from crmd.testing.virtual_daemon import VirtualDaemon

_SQL = load_queries("crmd.testing")
LEASE_SECONDS = 10 * 366 * 86400.0  # a test may travel for years while a job runs
BATCH = 100


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
        self._is_inline = False
        expecting = Expecting(self._pool, lambda: everything.services.job_types)
        self.all_enqueued = expecting.all_enqueued
        self.assert_enqueued = expecting.assert_enqueued
        self.refute_enqueued = expecting.refute_enqueued
        self.assert_emitted = expecting.assert_emitted
        self._travelling = Travelling(everything, daemon_id, self._settler, self._run_due)
        self.travel = self._travelling.travel
        self.until = self._travelling.until

    @contextlib.contextmanager
    def inline(self) -> Iterator[None]:
        """Inside the block each `enqueue` runs its job at once, and all that is due with it, before it answers."""
        before, self._is_inline = self._is_inline, True
        try:
            yield
        finally:
            self._is_inline = before

    def configure(self, plugin: str, **settings: object) -> None:
        """Give a plugin other settings, by the names of its settings' fields; they are checked as a file's would be.

        Raises:
            UsageError: The plugin is not loaded, or a setting does not fit.
        """
        services = self.everything.services
        given = services.settings.get(plugin)
        if given is None:
            raise UsageError(f"The plugin {plugin!r} is not loaded.")
        try:
            changed = msgspec.convert({**msgspec.structs.asdict(given), **settings}, type(given))
        except (msgspec.ValidationError, TypeError) as error:
            raise UsageError(f"The settings of {plugin} do not fit: {error}.") from error
        services.settings = {**services.settings, plugin: changed}

    async def daemon(self) -> VirtualDaemon:
        """A further daemon, which claims, runs and dies as the test tells it."""
        daemon = await new_daemon(self.everything)
        self._travelling.daemons.append(daemon)
        return daemon

    async def enqueue(
        self,
        job_type: str,
        payload: object = None,
        *,
        workspace_id: UUID | None = None,
        user_id: UUID | None = None,
        **options: Any,  # noqa: ANN401 - as NewJobs has them
    ) -> Enqueued:
        """Enqueue a job after checking its payload, as every front end does.

        Further options are `run_at`, `expires_at` and the like: see `crmd.store.jobs.NewJobs`.
        """
        known = self.everything.loaded.job_types.get(job_type)
        if known is None:
            raise UsageError(f"No loaded plugin declares the job type {job_type!r}.")
        new = jobs.NewJobs(
            type=job_type,
            payloads=[jobs.check_size(known.encode(payload))],
            workspace_id=workspace_id or self.workspace_id,
            user_id=user_id,
            **options,
        )
        [enqueued] = await jobs.enqueue_many(self._pool, new)
        if self._is_inline:
            await self._run_due()
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
        claim_id = leases.new_claim_id()
        rows = await leases.claim_one(self._pool, self._daemon_id, job_id, claim_id)
        rows = rows or await leases.claim_suspects(self._pool, self._daemon_id, [job_id], claim_id)
        if not rows:
            raise UsageError(f"Job {job_id} is not due or does not wait.")
        await self._run(rows[0])
        return await self.finished(job_id)

    async def drain(self, *, jobs_max: int = 10_000, is_time_moved: bool = False) -> list[Finished]:
        """Run what is due, and what that starts, until nothing is due any more.

        Args:
            jobs_max: Stop after so many attempts, since a job may go on for ever.
            is_time_moved: Advance the clock to whatever waits for a later instant, retries above all. Schedules do not
                fire; `travel` lets everything happen.
        """
        ran = await self._run_due(jobs_max)
        while is_time_moved and len(ran) < jobs_max:
            seconds: float | None = await self._pool.fetchval(_SQL.due_next)
            if seconds is None:
                break
            await self.clock.advance(seconds + 0.001)
            more = await self._run_due(jobs_max - len(ran))
            if not more:
                break
            ran += more
        return [await self.finished(job_id) for job_id in dict.fromkeys(ran)]

    async def tick(self) -> None:
        """Fire the schedules that are due."""
        await schedule_once(self._pool)

    async def project(self) -> None:
        """Fold all events that are settled into the projections; an open transaction holds those behind it back."""
        services = self.everything.services
        loop = Projecting(services.pools.plugins, services.projections, is_role_changed=services.is_role_changed)
        while await loop.project_once() <= 0:
            continue

    async def finished(self, job_id: UUID) -> Finished:
        """How a job stands."""
        row = await jobs.show(self._pool, job_id)
        assert row is not None, f"there is no job {job_id}"  # noqa: S101 - a test's own assertion
        return finished_of(row)

    async def events(self, event_type: str) -> list[dict[str, Any]]:
        """The data of the events of a type, oldest first."""
        return [msgspec.json.decode(row["data"]) for row in await self._pool.fetch(_SQL.events, event_type)]

    async def _run_due(self, jobs_max: int = 10_000) -> list[UUID]:
        """Run what is due until nothing is, or limits and gates hold back the rest; answers the attempts' jobs."""
        ran: list[UUID] = []
        while len(ran) < jobs_max and (rows := await self._claim()):
            for row in rows:
                await self._run(row)
                ran.append(row["id"])
        return ran

    async def _claim(self) -> list[Any]:
        due = await self._pool.fetch(_SQL.due_queues)
        return [row for queue in due for row in await self._claim_queue(queue)]

    async def _claim_queue(self, due: Any) -> list[Any]:  # noqa: ANN401 - a row of due_queues.sql
        found: list[Any] = []
        queue, claim_id = due["queue"], leases.new_claim_id()
        if due["is_free"]:
            found += await leases.claim_ready(self._pool, self._daemon_id, queue, BATCH, BEGINNING, claim_id)
        if due["is_limited"]:
            found += await lane_claims.claim_lanes(self._pool, self._daemon_id, queue, BATCH, Turns(), {}, claim_id)
        if due["suspects"]:
            found += await leases.claim_suspects(self._pool, self._daemon_id, due["suspects"], claim_id)
        return [whole(row) for row in found]

    async def _run(self, row: Any) -> None:  # noqa: ANN401 - a row of claim_*.sql
        services = self.everything.services
        job_type = services.job_types.get(row["type"]) or unknown_job_type(row["type"])
        run = Run(row, job_type, Token(row["id"], row["fence"], row["claim_id"]))
        if row["unique_key"] is not None:  # what a claimer does once a job has started
            await leases.free_started(self._pool, [row["id"]], [row["unique_key"]])
        own_task.begin()
        self._settler.add(run, await (services.tracer.handle if services.tracer else handle)(run, services))
        await self._settler.settle_once()


@contextlib.asynccontextmanager
async def open_workbench(
    config: Config, entries: Mapping[str, Entry] | None = None, *, seed: int = 0
) -> AsyncIterator[Workbench]:
    """A workbench on the database of `config`.

    Args:
        config: With the DSN of a database of the test's own.
        entries: Where plugins come from; None: from what is installed.
        seed: Of the jitter, so that a run can be repeated.
    """
    async with opened(config, entries=entries) as everything:
        yield await workbench_on(everything, seed=seed)


async def workbench_on(everything: Opened, *, seed: int = 0) -> Workbench:
    """A workbench on what is open already."""
    random.seed(seed)
    await everything.pools.control.execute(_SQL.clock_inject)
    queues = list(everything.config.queues)
    return Workbench(everything, await register(everything.pools.control, "test", queues, LEASE_SECONDS))

"""One try of a sample: a fresh database, seeded, with its job enqueued; then whatever the rule does to it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import msgspec

from crmd.store import jobs
from crmd.store.queries import load_queries
from crmd.testing.attempt import PATIENCE_SECONDS, Attempt
from crmd.testing.conformance.canary import settings_with_canaries
from crmd.testing.conformance.scene import Scene
from crmd.testing.conformance.traffic import Traffic
from crmd.testing.snapshot import take_snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from uuid import UUID

    from crmd.composition import Opened
    from crmd.sample import Sample
    from crmd.testing.arena import Arena
    from crmd.testing.finished import Finished
    from crmd.testing.snapshot import Snapshot
    from crmd.testing.workbench import Workbench

_SQL = load_queries("crmd.testing")
# Long enough for the retries and pauses of any sensible backoff.
REST = "6 hours"


class Trial:
    """A seeded database with one job that waits.

    Attributes:
        workbench: On the database.
        traffic: What the job asks of the outside.
        payload: As enqueued.
        job_id: Of the job.
    """

    def __init__(self, workbench: Workbench, traffic: Traffic, scene: Scene, sample: Sample) -> None:
        self.workbench = workbench
        self.traffic = traffic
        self.scene = scene
        self.sample = sample
        self.payload: Any = sample.payload
        self.job_id: UUID

    async def enqueue(self, payload: object = None) -> bool:
        """Enqueue the sample's job (again); whether there is a new one."""
        known = self.workbench.everything.loaded.job_types[self.sample.job_type]
        new = jobs.NewJobs(
            type=known.name,
            payloads=[jobs.check_size(known.encode(self.payload if payload is None else payload))],
            workspace_id=self.scene.workspace_id if self.sample.has_workspace else None,
        )
        [enqueued] = await jobs.enqueue_many(self.workbench.everything.pools.control, new)
        self.job_id = enqueued.id
        return enqueued.is_new

    async def attempt(
        self,
        at: Mapping[int, Callable[[Attempt], None]] | None = None,
        *,
        prepare: Callable[[Opened], None] = lambda _: None,
        on_look: Callable[[Attempt], None] = lambda _: None,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> Attempt:
        """Run one attempt of the job, in a thread of its own."""

        def prepared(own: Opened) -> None:
            self.traffic.wire(own)
            prepare(own)

        daemon = await self.workbench.daemon()
        row = await daemon.claim_job(self.job_id)
        attempt = await daemon.run(row, at=at, prepare=prepared, on_look=on_look, patience_seconds=patience_seconds)
        daemon.die()
        return attempt

    async def rest(self) -> Finished:
        """Let everything else happen: reaping, retries, children, what events have started. Answers the job's end."""
        await self.workbench.travel(REST)
        return await self.finished()

    async def finished(self) -> Finished:
        """How the job stands."""
        return await self.workbench.finished(self.job_id)

    async def snapshot(self) -> Snapshot:
        """Every row."""
        return await take_snapshot(self.workbench.everything.pools.control)


class Trials:
    """Makes trials of one sample.

    Args:
        arena: Where databases come from.
        plugin: Name of the plugin.
        folder: Of its code.
        sample: How its job is tried.
    """

    def __init__(self, arena: Arena, plugin: str, folder: str, sample: Sample) -> None:
        self._arena = arena
        self.plugin = plugin
        self.folder = folder
        self.sample = sample

    @contextlib.asynccontextmanager
    async def fresh(self, *, neighbour: bool = False, later_seconds: float = 0) -> AsyncIterator[Trial]:
        """A new trial.

        Args:
            later_seconds: How much later than now it is.
            neighbour: Another workspace is seeded as well, whose rows are nobody's business.
        """
        traffic = Traffic(self.folder)
        async with self._arena.fresh() as workbench, contextlib.AsyncExitStack() as stack:
            traffic.wire(workbench.everything)
            await workbench.everything.pools.control.execute(_SQL.schedules_rest)
            await workbench.clock.advance(later_seconds)
            self._configure(workbench)
            if neighbour:
                await self._seed(Scene(workbench, traffic, stack, "neighbour"))
            trial = Trial(workbench, traffic, Scene(workbench, traffic, stack), self.sample)
            trial.payload = await self._seed(trial.scene)
            await trial.enqueue()
            yield trial

    def _configure(self, workbench: Workbench) -> None:
        given = workbench.everything.services.settings[self.plugin]
        workbench.configure(self.plugin, **{**settings_with_canaries(given), **self.sample.settings})

    async def _seed(self, scene: Scene) -> object:
        if self.sample.seed is None:
            return self.sample.payload
        payload = await self.sample.seed(scene)
        return self.sample.payload if payload is None else msgspec.to_builtins(payload, str_keys=True)

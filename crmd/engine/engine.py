"""The engine of one process: its loops, its incarnations, and how it drains."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import TYPE_CHECKING

import anyio

from crmd.clock import boot_seconds
from crmd.engine.claimers import Claimers
from crmd.engine.counting import count_settled
from crmd.engine.executor import Executor
from crmd.engine.footprint import Footprint
from crmd.engine.forever import forever
from crmd.engine.housekeeping import Housekeeping
from crmd.engine.incarnation import Incarnation
from crmd.engine.job_log import INTERVAL_SECONDS as LOG_SECONDS
from crmd.engine.job_log import JobLog
from crmd.engine.listener import Listener
from crmd.engine.progress_writer import write_progress_once
from crmd.engine.retuning import Retuning
from crmd.engine.settler import Settler
from crmd.engine.stall import StallWatch
from crmd.outcome import Stop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from anyio.abc import TaskGroup

    from crmd.engine.options import EngineOptions
    from crmd.engine.services import Services
    from crmd.engine.settler import Settled

_LOG = logging.getLogger("crmd.engine")
WATCH_SECONDS = 0.2
# With no job there is nothing to stop; still often enough for the stall watch, which expects a turn every second.
IDLE_SECONDS = 0.5
# How long cancelled handlers may take to clean up, and how long outcomes may take to be written at the end.
CLEAN_UP_SECONDS = 5.0


class Engine:
    """Claims, runs and settles until it is told to stop.

    Args:
        services: What jobs share.
        options: How it behaves; `reconfigure` replaces them.
        on_outage: Told a sentence when the database is lost, "" when it is back.
        on_settled: Told what was written, after each commit.
    """

    def __init__(
        self,
        services: Services,
        options: EngineOptions,
        *,
        on_outage: Callable[[str], None] = lambda _: None,
        on_settled: Callable[[list[Settled]], None] = lambda _: None,
    ) -> None:
        self.services = services
        self.options = options
        self.settled_count = 0
        self.turned_at = boot_seconds()
        self._pause_seconds = WATCH_SECONDS
        self._stall_watch = StallWatch(blame=services.blame)
        self._footprint = Footprint(services.blame)
        self._job_log = JobLog()
        self._on_outage = on_outage
        self._on_settled = on_settled
        self._pool = services.pools.control
        self._listener = Listener(services.pools.server, self.wake)
        self.settler = Settler(services.pools.work, self._settled)
        self.executor: Executor
        self._claimers: Claimers
        self._retuning: Retuning
        self._incarnation: Incarnation
        self._loops: TaskGroup

    async def run(self, stop: anyio.Event, on_ready: Callable[[], None] = lambda: None) -> None:
        """Work until `stop` is set, then drain.

        Args:
            stop: Set by a signal, or by a test.
            on_ready: Called once the first incarnation is registered and claims.
        """
        self._stall_watch.start()
        self._job_log.begin()
        self.executor = Executor(self.services, self.settler, self.options.slots)
        self._claimers = Claimers(
            self.services.pools.work, self.executor, lambda: self.options, lambda: self._listener.is_deaf
        )
        self._retuning = Retuning(self._pool, self._claimers.retune)
        self._incarnation = self._make_incarnation()
        try:
            async with anyio.create_task_group() as loops:
                self._loops = loops
                loops.start_soon(self.executor.failing)
                self._start_loops()
                await self._until_begun(stop)
                if not stop.is_set():
                    on_ready()
                await stop.wait()
                await self._drain()
                loops.cancel_scope.cancel()
        finally:
            self._listener.close()
            self._stall_watch.stop()
            self._job_log.end()
            with anyio.CancelScope(shield=True):
                await self.executor.close()
        with anyio.move_on_after(CLEAN_UP_SECONDS):
            await self._job_log.finish(self._pool)
            await self._incarnation.end()

    @property
    def daemon_id(self) -> UUID | None:
        """The id of this life of the daemon; None before the first."""
        return self._incarnation.daemon_id

    @property
    def is_alive(self) -> bool:
        """Whether leases mean something now: false before the first life, and between two."""
        return self._incarnation.is_alive

    @property
    def may_claim(self) -> bool:
        """Whether new jobs may be taken: not between two lives, nor while the engine drains."""
        return self._incarnation.is_alive and self._claimers.have_begun

    async def _until_begun(self, stop: anyio.Event) -> None:
        while not (self._incarnation.is_alive or stop.is_set()):  # noqa: ASYNC110 - begun by a loop that outlives outages
            await anyio.sleep(0.005)

    def wake(self, word: str = "*") -> None:
        """Look at once: for work in a queue, `*` in all; `!cancel`: for cancel requests; `!tuning`: for settings."""
        if word == "!cancel":
            self._incarnation.beat_soon()
        elif word == "!tuning":
            self._retuning.soon()
        elif not self.services.watchers.heard(word):
            self._claimers.wake(word)

    def reconfigure(self, options: EngineOptions) -> None:
        """Take new options while jobs run; running jobs keep what they started with."""
        self.options = options
        for name, slots in options.slots.items():
            if name not in self.executor.queues:
                self.executor.add_queue(name, slots)
                self._start_claimer(name)
        self._claimers.resize()
        self.wake()

    def hurry(self) -> None:
        """Give running jobs back now instead of letting them finish."""
        self.executor.stop_all(Stop.DRAIN)

    def _start_loops(self) -> None:
        self._forever("settling", self.settler.settle_once)
        self._forever("watching", self._watch_once)
        self._forever("incarnation", self._incarnation.live_once)
        self._forever("progress", partial(write_progress_once, self.services.pools.work, self.executor))
        self._forever("job log", self._write_log_once)
        if self.options.is_alone:
            return
        for name in self.options.slots:
            self._start_claimer(name)
        self._forever("tuning", self._retuning.look_once)
        self._forever("listening", self._listener.keep_once)
        for name, step in Housekeeping(self).loops().items():
            self._forever(name, step)

    def _forever(self, name: str, step: Callable[[], Awaitable[float]]) -> None:
        pools = self.services.pools
        self._loops.start_soon(forever, name, step, self._on_outage, pools.renew, pools.server.door.rest)

    def _start_claimer(self, name: str) -> None:
        self._forever(f"claiming {name}", self._claimers.add(name).claim_once)

    def _make_incarnation(self) -> Incarnation:
        return Incarnation(
            self.services.pools,
            self.executor,
            version=self.options.version,
            queues=list(self.options.slots),
            lease_seconds=self.options.lease_seconds,
            on_begun=self._claimers.begin,
            on_ended=self._fence,
            on_return=self._until_settled,
        )

    async def _fence(self) -> None:
        self._claimers.begin(None)
        self.executor.stop_all(Stop.LEASE_LOST)
        with anyio.move_on_after(CLEAN_UP_SECONDS):
            await self._until_idle()

    async def _write_log_once(self) -> float:
        if self._job_log.is_empty:
            await self.executor.until_busy()
            return LOG_SECONDS
        return await self._job_log.write_once(self._pool)

    async def _watch_once(self) -> float:
        before, self.turned_at = self.turned_at, boot_seconds()
        self.services.tally.lag_seconds.add(max(self.turned_at - before - self._pause_seconds, 0.0))
        self._stall_watch.turned()
        self.executor.stop_overdue()
        self._footprint.look(self.executor.runs.values())
        self._pause_seconds = WATCH_SECONDS if self.executor.runs else IDLE_SECONDS
        return self._pause_seconds

    async def _until_settled(self) -> None:
        """Wait, with a bound, until every outcome is written; a token that is out of date writes nothing."""
        with anyio.move_on_after(CLEAN_UP_SECONDS):
            while self.settler.backlog:  # noqa: ASYNC110 - another loop writes them
                await anyio.sleep(0.02)

    async def _until_idle(self) -> None:
        while self.executor.runs:  # noqa: ASYNC110 - handlers end on their own; nothing signals the last one
            await anyio.sleep(0.02)

    async def _drain(self) -> None:
        """Stop claiming, give back what has not begun, let the rest finish for a while, then give it back too."""
        self._claimers.begin(None)
        self.executor.stop_unstarted()
        await self._incarnation.make_last()
        with anyio.move_on_after(self.options.drain_seconds):
            await self._until_idle()
        self.executor.stop_all(Stop.DRAIN)
        with anyio.move_on_after(CLEAN_UP_SECONDS):
            await self._until_idle()
        self.executor.abandon_all()
        await self._until_settled()

    def _settled(self, batch: list[Settled]) -> None:
        self.settled_count += len(batch)
        count_settled(self.services.tally, batch, wall=time.time(), boot=boot_seconds())
        self._claimers.freed(batch)
        self._incarnation.remember(batch)
        if self.services.watchers.is_on:
            self.services.watchers.tell([run for run, _ in batch])
        self._on_settled(batch)

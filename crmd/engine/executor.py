"""Runs claimed jobs: drainers take them from a queue's buffer and run them one after the other.

Whenever a drainer starts a handler while more is waiting, another stands by; it takes over when the first one's handler
suspends. So a batch of quick jobs costs one task, and slow ones run side by side, up to the queue's slots.

A drainer whose handler swallows its cancellation is given up with it: the job ends, its slot comes back, and another
drainer takes over.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.lowlevel

from crmd.clock import boot_seconds
from crmd.engine import own_task
from crmd.engine.abandoning import (
    GIVE_UP_SECONDS,
    PRESS_SECONDS,
    Abandoned,
    cease,
    let_loose,
    places_of_coroutine,
    press,
)
from crmd.engine.handling import decided, handle
from crmd.engine.queue import Queue
from crmd.engine.run import Run
from crmd.engine.unknown_type import unknown_job_type
from crmd.outcome import Stop, Stopped
from crmd.store.leases import Token

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from crmd.engine.services import Services
    from crmd.engine.settler import Settler
    from crmd.job_type import JobType

# After this long without giving way a drainer lets the loop turn, so that quick jobs starve nobody.
SLICE_SECONDS = 0.005
# Processes for suspects, beside the slots of the queues.
SUSPECTS_MAX = 8
# How long drainers may take to end when the engine does; the others are left to the end of the process.
CLOSE_SECONDS = 1.0


class Executor:
    """The running jobs of a daemon.

    Args:
        services: What jobs share.
        settler: Takes the outcomes.
        slots: Of each queue.
    """

    def __init__(self, services: Services, settler: Settler, slots: Mapping[str, int]) -> None:
        self._services = services
        self._settler = settler
        self.watchers = services.watchers
        self._drainers: dict[asyncio.Task[None], tuple[Queue, anyio.CancelScope | None]] = {}
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.abandoned = Abandoned(services.blame) if services.places is None else services.places.abandoned
        self.suspects = Queue("suspects", SUSPECTS_MAX)
        self.queues = {name: Queue(name, count) for name, count in slots.items()}
        self.runs: dict[UUID, Run] = {}
        self._begun = anyio.Event()

    def accept(
        self, queue: Queue, rows: Iterable[Any], claim_id: UUID, job_types: Mapping[str, JobType] | None = None
    ) -> list[Run]:
        """Take claimed rows and run them. A job whose type no loaded plugin declares is sent back to wait.

        Args:
            queue: Whose room they take.
            rows: Of claim_*.sql.
            claim_id: Of the claim that they are of.
            job_types: By name and alias; None: those of the services.
        """
        known = self._services.job_types if job_types is None else job_types
        runs = []
        for row in rows:
            job_type = known.get(name := row["type"]) or unknown_job_type(name)
            job_id = row["id"]
            run = self.runs[job_id] = Run(row, job_type, Token(job_id, row["fence"], claim_id), queue)
            runs.append(run)
        if runs:
            self._begun.set()
        queue.taken += len(runs)
        queue.buffer.extend(runs)
        self._stand_by(queue)
        if self.watchers.is_on:
            self.watchers.tell(runs)
        return runs

    async def until_busy(self) -> None:
        """Wait until there is a job; what only looks after jobs need not wake an idle process again and again."""
        if not self.runs:
            if self._begun.is_set():
                self._begun = anyio.Event()
            await self._begun.wait()

    def stop_overdue(self) -> None:
        """Cancel every job that has run for longer than its type allows; give up what does not let itself be."""
        now = boot_seconds()
        begun = [(run, run.scope) for run in self.runs.values() if run.scope is not None]
        for run, scope in begun:
            if run.stop is None:
                if now > run.deadline:
                    run.halt(Stop.TIMEOUT)
            elif now > run.stopped + GIVE_UP_SECONDS:
                self.abandon(run)
            elif now > run.stopped + PRESS_SECONDS:
                press(scope)

    def abandon(self, run: Run) -> None:
        """Settle a job that was stopped and goes on, and give its slot to the next."""
        scope, stop = run.scope, run.stop
        assert scope is not None  # noqa: S101 - it runs
        assert stop is not None  # noqa: S101 - it was stopped
        [(task, queue)] = [(task, its[0]) for task, its in self._drainers.items() if its[1] is scope]
        outcome = decided(run, Stopped(stop, run.reason))
        self._settler.add(run, self.abandoned.add(run, outcome, places_of_coroutine(task.get_coro())))
        cease(scope)
        let_loose(task)
        run.scope = None  # by which its drainer knows, if it ever comes back
        queue.drainers -= 1
        self._finished(queue, run)
        self._stand_by(queue)

    def abandon_all(self) -> None:
        """Give up what was stopped and still runs."""
        for run in [run for run in self.runs.values() if run.scope is not None and run.stop is not None]:
            self.abandon(run)

    async def failing(self) -> None:
        """Raises what no drainer should; else waits for ever."""
        await self._failure

    async def close(self) -> None:
        """Cancel every drainer; one that was given up may stay behind."""
        for task, (queue, scope) in list(self._drainers.items()):
            queue.buffer.clear()
            if scope is None:
                task.cancel()
            elif not scope.cancel_called:
                scope.cancel()
        if self._drainers:
            await asyncio.wait(self._drainers, timeout=CLOSE_SECONDS)
        for task, (_, scope) in self._drainers.items():
            if scope is not None:
                cease(scope)
            let_loose(task)

    def stop_all(self, why: Stop) -> None:
        """Cancel every job, those in the buffers included."""
        for run in list(self.runs.values()):
            run.halt(why)

    def stop_unstarted(self) -> None:
        """Send back what is claimed and has not begun."""
        for queue in (*self.queues.values(), self.suspects):
            for run in queue.buffer:
                run.halt(Stop.DRAIN)

    def resize(self, name: str, slots: int) -> None:
        """Give a queue more or less room; what runs goes on."""
        queue = self.queues[name]
        queue.slots = slots
        queue.make_room()
        self._stand_by(queue)

    def add_queue(self, name: str, slots: int) -> None:
        """Make room for a queue that was configured while the daemon runs."""
        self.queues[name] = Queue(name, slots)

    def cancel(self, job_ids: Iterable[UUID]) -> None:
        """Cancel jobs as somebody asked to."""
        for job_id in job_ids:
            run = self.runs.get(job_id)
            if run is not None and run.stop is None:
                run.halt(Stop.CANCEL)

    def _stand_by(self, queue: Queue) -> None:
        if queue.buffer and not queue.has_standby and queue.drainers < queue.slots:
            queue.has_standby = True
            queue.drainers += 1
            task = asyncio.create_task(self._drain(queue))
            self._drainers[task] = (queue, None)
            task.add_done_callback(self._drained)

    def _drained(self, task: asyncio.Task[None]) -> None:
        del self._drainers[task]
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._failure.done():
            self._failure.set_exception(error)

    async def _drain(self, queue: Queue) -> None:
        queue.has_standby = False
        is_wanted = True
        own_task.begin()
        try:
            await queue.give_way()
            while queue.buffer and is_wanted:
                with anyio.CancelScope() as scope:
                    self._drainers[cast("asyncio.Task[None]", asyncio.current_task())] = (queue, scope)
                    is_wanted = await self._drain_within(queue, scope)
        finally:
            queue.drainers -= is_wanted  # one that was given up is counted out already

    async def _drain_within(self, queue: Queue, scope: anyio.CancelScope) -> bool:
        """One scope for job after job, since most are never cancelled; it ends with the first that was.

        Answers whether this drainer is still wanted: not, if it was given up together with its job.
        """
        services = self._services
        handling = handle if services.tracer is None else services.tracer.handle
        now = boot_seconds()  # asked once a job, as it is a system call: a job begins when the one before it has ended
        slice_end = now + SLICE_SECONDS
        while queue.buffer and not scope.cancel_called:
            run = queue.buffer.popleft()
            self._stand_by(queue)
            run.scope = scope
            run.started = now if run.stop is None else 0.0
            outcome = await handling(run, services)
            if run.scope is not scope:  # given up meanwhile
                self.abandoned.ended(run)
                return False
            run.scope = None
            now = self._settler.add(run, outcome)
            self._finished(queue, run)
            if now > slice_end and not scope.cancel_called:
                await anyio.lowlevel.checkpoint()
                slice_end = (now := boot_seconds()) + SLICE_SECONDS
        return True

    def _finished(self, queue: Queue, run: Run) -> None:
        queue.taken -= 1
        if self.runs.get(run.token.id) is run:  # a later claim of the same job may stand there by now
            del self.runs[run.token.id]
        queue.make_room()

"""Runs claimed jobs: drainers take them from a queue's buffer and run them one after the other.

Whenever a drainer starts a handler while more is waiting, another stands by; it takes over when the first one's handler
suspends. So a batch of quick jobs costs one task, and slow ones run side by side, up to the queue's slots.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from crmd.clock import boot_seconds
from crmd.engine.handling import handle
from crmd.engine.run import Run
from crmd.engine.unknown_type import unknown_job_type
from crmd.outcome import Stop
from crmd.store.leases import Token

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from anyio.abc import TaskGroup

    from crmd.engine.services import Services
    from crmd.engine.settler import Settler

# After this long without giving way a drainer lets the loop turn, so that quick jobs starve nobody.
SLICE_SECONDS = 0.005


class Queue:
    """The room for running jobs of one queue in this daemon, and what is claimed for it."""

    __slots__ = ("buffer", "drainers", "has_standby", "name", "room_made", "slots", "taken")

    def __init__(self, name: str, slots: int) -> None:
        self.name = name
        self.slots = slots
        self.taken = 0  # claimed and not yet finished
        self.buffer: deque[Run] = deque()
        self.drainers = 0
        self.has_standby = False
        self.room_made = anyio.Event()

    @property
    def free(self) -> int:
        """How many jobs may be claimed now."""
        return max(self.slots - self.taken, 0)


class Executor:
    """The running jobs of a daemon.

    Args:
        services: What jobs share.
        settler: Takes the outcomes.
        tasks: Where drainers run.
        slots: Of each queue.
    """

    def __init__(self, services: Services, settler: Settler, tasks: TaskGroup, slots: Mapping[str, int]) -> None:
        self._services = services
        self._settler = settler
        self._tasks = tasks
        self.queues = {name: Queue(name, count) for name, count in slots.items()}
        self.runs: dict[UUID, Run] = {}
        self.taken_of_type: Counter[str] = Counter()

    def accept(self, queue: Queue, rows: Iterable[Any]) -> list[Run]:
        """Take claimed rows and run them. A job whose type no loaded plugin declares is sent back to wait."""
        runs = []
        for row in rows:
            name = row["type"]
            job_type = self._services.job_types.get(name) or unknown_job_type(name)
            run = Run(row, job_type, Token(row["id"], row["fence"], row["claim_id"]))
            self.runs[run.token.id] = run
            self.taken_of_type[name] += 1
            runs.append(run)
        queue.taken += len(runs)
        queue.buffer.extend(runs)
        self._stand_by(queue)
        return runs

    def stop_overdue(self) -> None:
        """Cancel every job that has run for longer than its type allows."""
        now = boot_seconds()
        for run in list(self.runs.values()):
            if run.scope is not None and now > run.deadline and run.stop is None:
                run.halt(Stop.TIMEOUT)

    def stop_all(self, why: Stop) -> None:
        """Cancel every job, those in the buffers included."""
        for run in list(self.runs.values()):
            run.halt(why)

    def stop_unstarted(self) -> None:
        """Send back what is claimed and has not begun."""
        for queue in self.queues.values():
            for run in queue.buffer:
                run.halt(Stop.DRAIN)

    def resize(self, name: str, slots: int) -> None:
        """Give a queue more or less room; what runs goes on."""
        queue = self.queues[name]
        queue.slots = slots
        queue.room_made.set()
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
            self._tasks.start_soon(self._drain, queue)

    async def _drain(self, queue: Queue) -> None:
        queue.has_standby = False
        try:
            while queue.buffer:
                with anyio.CancelScope() as scope:
                    await self._drain_within(queue, scope)
        finally:
            queue.drainers -= 1

    async def _drain_within(self, queue: Queue, scope: anyio.CancelScope) -> None:
        """One scope for job after job, since most are never cancelled; it ends with the first that was."""
        slice_end = time.monotonic() + SLICE_SECONDS
        while queue.buffer and not scope.cancel_called:
            run = queue.buffer.popleft()
            self._stand_by(queue)
            run.scope = scope
            outcome = await handle(run, self._services)
            run.scope = None
            self._settler.add(run, outcome)
            self._finished(queue, run)
            if time.monotonic() > slice_end and not scope.cancel_called:
                await anyio.lowlevel.checkpoint()
                slice_end = time.monotonic() + SLICE_SECONDS

    def _finished(self, queue: Queue, run: Run) -> None:
        queue.taken -= 1
        self.taken_of_type[run.row["type"]] -= 1
        if self.runs.get(run.token.id) is run:  # a later claim of the same job may stand there by now
            del self.runs[run.token.id]
        if not queue.room_made.is_set():
            queue.room_made.set()

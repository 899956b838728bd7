"""One life of a daemon after another: each has a random id, a heartbeat, and the leases that live by it.

A life ends when its heartbeat can't be trusted any more. Its jobs are stopped and nothing is written for them; then the
next life begins. What the old jobs still write is refused by their tokens if somebody else has them by now; if nobody
has, their leases are given back in order, so that an outage of the database is not counted as a crash of the jobs.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anyio

from crmd.engine.audit import release_all
from crmd.engine.heartbeat import Beat, Heartbeat, register
from crmd.store.pools import UNREACHABLE
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from uuid import UUID

    from crmd.engine.executor import Executor
    from crmd.store.pools import Pools

_LOG = logging.getLogger("crmd.engine")
_SQL = load_queries("crmd.store")
LOOK_SECONDS = 0.2
TELL_SECONDS = 1.0


class Incarnation:
    """The present life, and the change to the next.

    Args:
        pools: Registers with control; the heartbeat connects by itself.
        executor: Its jobs are stopped when their leases run out.
        version: Of the daemon.
        queues: It works on.
        lease_seconds: How long a renewal holds.
        on_begun: Told the new id; claims may begin.
        on_ended: The leases have run out: claims must stop and jobs be stopped; awaited before anything else.
        on_return: Before the leases of the old life are given back: the outcomes of jobs that had finished are to be
            written, for which they are still good if nobody has taken them.
    """

    def __init__(
        self,
        pools: Pools,
        executor: Executor,
        *,
        version: str,
        queues: Sequence[str],
        lease_seconds: float,
        on_begun: Callable[[UUID], None],
        on_ended: Callable[[], Awaitable[None]],
        on_return: Callable[[], Awaitable[None]],
    ) -> None:
        self._pools = pools
        self._executor = executor
        self._version = version
        self._queues = queues
        self._lease_seconds = lease_seconds
        self._on_begun = on_begun
        self._on_ended = on_ended
        self._on_return = on_return
        self._heartbeat: Heartbeat | None = None
        self._is_last = False
        self.daemon_id: UUID | None = None

    @property
    def is_alive(self) -> bool:
        """Whether a life is lived now, so that leases mean something."""
        return self._heartbeat is not None

    async def live_once(self) -> float:
        """Look whether this life can go on, and begin the next one where it can't."""
        heartbeat = self._heartbeat
        if heartbeat is not None and not heartbeat.is_trusted:
            _LOG.warning("the leases of this daemon have run out; its %d jobs are stopped", len(self._executor.runs))
            self._heartbeat = None
            await self._on_ended()
            await heartbeat.stop()
        if self._heartbeat is None and not self._is_last:
            if self.daemon_id is not None and not self._executor.runs:
                await self._on_return()
                await release_all(self._pools.control, self.daemon_id)
            await self._begin()
        return LOOK_SECONDS

    def beat_soon(self) -> None:
        """Renew at once, for the cancel requests that the answer carries."""
        if self._heartbeat is not None:
            self._heartbeat.beat_soon()

    async def make_last(self) -> None:
        """No further life after this one; the daemon's row says that it drains, if the database answers at once."""
        self._is_last = True
        with anyio.move_on_after(TELL_SECONDS):
            try:
                await self._pools.control.execute(_SQL.daemon_stopping, self.daemon_id)
            except UNREACHABLE:
                _LOG.warning("the database could not be told that this daemon drains")

    async def end(self) -> None:
        """End in order: the row is taken off the list, if no lease is left behind."""
        if self._heartbeat is not None:
            await self._heartbeat.stop()
        if self.daemon_id is None:
            return
        try:
            # A claim that was cut off while the daemon drained may have committed.
            await release_all(self._pools.control, self.daemon_id)
            await self._pools.control.execute(_SQL.daemon_leave, self.daemon_id)
        except UNREACHABLE:
            _LOG.warning("the database could not be told that this daemon has ended; its row will run out")

    async def _begin(self) -> None:
        self.daemon_id = await register(self._pools.control, self._version, self._queues, self._lease_seconds)
        self._heartbeat = Heartbeat(self._pools.server, self.daemon_id, self._lease_seconds, self._beaten)
        self._heartbeat.start()
        self._on_begun(self.daemon_id)

    def _beaten(self, beat: Beat) -> None:
        if beat.cancels is not None:
            self._executor.cancel(beat.cancels)

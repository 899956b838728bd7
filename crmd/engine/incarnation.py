"""One life of a daemon after another: each has a random id, a heartbeat, and the leases that live by it.

A life ends when its heartbeat can't be trusted any more. Its jobs are stopped and nothing is written for them; then the
next life begins. What the old jobs still write is refused by their tokens if somebody else has them by now; if nobody
has, their leases are given back in order, so that an outage of the database is not counted as a crash of the jobs.

A failover ends a life, too: what running jobs wrote last may be lost, and what they go on to write would build on it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anyio

from crmd.clock import boot_seconds
from crmd.engine.audit import release_all
from crmd.engine.failover import Failover
from crmd.engine.heartbeat import Beat, Heartbeat, register
from crmd.store.pools import UNREACHABLE
from crmd.store.queries import load_queries
from crmd.store.timeline import Timeline, read_timeline

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from uuid import UUID

    from crmd.engine.executor import Executor
    from crmd.engine.settler import Settled
    from crmd.store.leases import Token
    from crmd.store.pools import Pools

_LOG = logging.getLogger("crmd.engine")
_SQL = load_queries("crmd.store")
LOOK_SECONDS = 0.2
# With no job there is none to be stopped when the lease is lost.
IDLE_SECONDS = 0.5
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
        self._failover = Failover()
        self._timeline: Timeline | None = None
        self._stopped: list[Token] = []
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
        if heartbeat is not None and not (heartbeat.is_trusted and self._is_timeline_known):
            why = "have run out" if self._is_timeline_known else "are of an old timeline"
            _LOG.warning("the leases of this daemon %s; its %d jobs are stopped", why, len(self._executor.runs))
            self._heartbeat = None
            self._stopped = [run.token for run in self._executor.runs.values()]
            await self._on_ended()
            await heartbeat.stop()
        if self._heartbeat is None and not self._is_last:
            if self.daemon_id is not None:
                await self._settle_accounts(self.daemon_id)
            await self._begin()
        return LOOK_SECONDS if self._executor.runs else IDLE_SECONDS

    @property
    def _is_timeline_known(self) -> bool:
        """Whether this life is one of the newest timeline that was seen."""
        return self._pools.server.primary.known == self._timeline

    async def _settle_accounts(self, daemon_id: UUID) -> None:
        """Leave nothing of the life before: outcomes written, losses told, leases given back."""
        if not self._executor.runs:
            await self._on_return()
        async with self._pools.control.acquire() as connection:
            now = await read_timeline(connection)
            if self._timeline is not None and now is not None and now != self._timeline:
                await self._failover.tell(connection, daemon_id, self._timeline, now, self._stopped)
                while not self._failover.is_all_told:
                    await self._failover.tell(connection, daemon_id, self._timeline, now, [])
                self._timeline, self._stopped = now, []
        if not self._executor.runs:
            await release_all(self._pools.control, daemon_id)
            await self._pools.control.execute(_SQL.daemon_leave, daemon_id)
            self._pools.server.primary.forget(daemon_id)

    def remember(self, settled: Sequence[Settled]) -> None:
        """Outcomes are written, as far as this life may write."""
        self._failover.remember(settled, is_current=self._is_timeline_known)

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
        registered_at = boot_seconds()
        async with self._pools.control.acquire() as connection:
            self._timeline = await read_timeline(connection)
            self.daemon_id = await register(connection, self._version, self._queues, self._lease_seconds)
        self._pools.server.primary.live(self.daemon_id, self._timeline)
        self._heartbeat = Heartbeat(
            self._pools.server,
            self.daemon_id,
            self._lease_seconds,
            self._beaten,
            spare=self._pools.work,
            registered_at=registered_at,
        )
        self._heartbeat.start()
        self._on_begun(self.daemon_id)

    def _beaten(self, beat: Beat) -> None:
        if beat.cancels is not None:
            self._executor.cancel(beat.cancels)

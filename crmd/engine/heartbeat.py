"""Keeps a daemon's leases alive, from a thread and over a connection of its own.

Neither a busy pool nor a handler that blocks the event loop makes a live job look dead. Should the server refuse that
connection, as when others have taken all there are, a renewal goes by the engine's pool. The other side of the promise
is kept here too: once the last renewal that was *sent* is older than the lease less a margin, the daemon stops trusting
its leases, measured on a clock that goes on while the machine is suspended.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from crmd.clock import boot_seconds
from crmd.engine.forever import pause_seconds
from crmd.errors import CrmdError, OutdatedError
from crmd.store.door import Rank
from crmd.store.migrate import newest_known
from crmd.store.pools import UNREACHABLE, connect
from crmd.store.queries import load_queries
from crmd.store.timeline import Timeline, read_timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    import asyncpg

    from crmd.store.pools import Connection, Pool, Server, Session

_LOG = logging.getLogger("crmd.engine")
_SQL = load_queries("crmd.store")
# A daemon stops trusting its leases this share of the lease before the others may take its jobs.
MARGIN_SHARE = 0.1
JOIN_SECONDS = 5.0
# It waits at no door, so it is this that keeps a process from opening more than one connection a second beside those.
RETRY_SECONDS = 1.0
FAILURES = (*UNREACHABLE, CrmdError)


@dataclass(frozen=True, slots=True)
class Beat:
    """What a renewal told: the jobs to be cancelled; None: the daemon was declared dead."""

    cancels: Sequence[UUID] | None


class Heartbeat:
    """The renewing thread of one incarnation of a daemon.

    Args:
        server: Where to connect.
        daemon_id: Of this incarnation.
        lease_seconds: How long a renewal holds.
        on_beat: Called in the event loop's thread after each renewal.
        spare: The engine's pool, used in the event loop, for renewals that find no connection of their own.
        registered_at: On the clock of `boot_seconds`, before the registration was sent: its answer may have been late.
    """

    def __init__(
        self,
        server: Server,
        daemon_id: UUID,
        lease_seconds: float,
        on_beat: Callable[[Beat], None],
        *,
        spare: Pool,
        registered_at: float,
    ) -> None:
        self._server = server
        self._daemon_id = daemon_id
        self._lease_seconds = lease_seconds
        self._on_beat = on_beat
        self._spare = spare
        self._own: Session | None = None
        self._by_spare: Future[None] | None = None
        self._trusted_until = registered_at + lease_seconds * (1 - MARGIN_SHARE)
        self._main_loop = asyncio.get_running_loop()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._now_please: asyncio.Event | None = None
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="crmd heartbeat", daemon=True)

    @property
    def is_trusted(self) -> bool:
        """Whether the leases of this incarnation can still be relied on."""
        return boot_seconds() < self._trusted_until

    def start(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def beat_soon(self) -> None:
        """Renew at once, for what the answer carries. Callable from any thread."""
        if self._loop is not None and self._now_please is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._now_please.set)

    async def stop(self) -> None:
        """End the thread; waits a little for it, without holding up the loop."""
        self._is_stopping = True
        if self._by_spare is not None:
            self._by_spare.cancel()
        self.beat_soon()
        await asyncio.to_thread(self._thread.join, JOIN_SECONDS)

    def _run(self) -> None:
        asyncio.run(self._beats())

    async def _beats(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._now_please = asyncio.Event()
        failures = 0
        while not self._is_stopping:
            try:
                await self._beat_over_own()
                failures = 0
                pause = self._lease_seconds / 3
            except FAILURES as error:
                failures += 1
                self._drop_own()
                self._go_by_spare(type(error).__name__, is_first=failures == 1)
                pause = retry_seconds(failures, self._lease_seconds)
            await self._pause(pause)
        self._drop_own()

    async def _beat_over_own(self) -> None:
        if self._own is None or self._own.is_closed():
            self._own = await connect(self._server, "crmd heartbeat", rank=Rank.HEARTBEAT)
        sent_at = boot_seconds()
        row = await self._ask(self._own)
        # A pooler goes on to another server without a new connection for us.
        timeline = None if self._server.statement_cache or row is None else await read_timeline(self._own)
        self._beaten(row, timeline, sent_at)

    def _go_by_spare(self, why: str, *, is_first: bool) -> None:
        """Nothing waits for it here: the event loop may stand still, and our next try may come through."""
        if not (self._is_stopping or self._main_loop.is_closed() or (self._by_spare and not self._by_spare.done())):
            beat = self._beat_over_spare(why, is_first=is_first)
            self._by_spare = asyncio.run_coroutine_threadsafe(beat, self._main_loop)

    async def _beat_over_spare(self, why: str, *, is_first: bool) -> None:
        try:
            async with self._spare.acquire(timeout=self._lease_seconds / 3) as connection:
                sent_at = boot_seconds()
                row = await self._ask(connection)
                self._beaten(row, await read_timeline(connection), sent_at)
        except FAILURES:
            if not self._is_stopping:
                _LOG.warning("the heartbeat did not reach the database (%s)", why)
        else:
            if is_first:
                _LOG.warning("the heartbeat goes by the engine's pool (%s)", why)

    async def _ask(self, connection: Connection) -> asyncpg.Record | None:
        timeout = self._lease_seconds / 3
        return await connection.fetchrow(_SQL.daemon_beat, self._daemon_id, self._lease_seconds, timeout=timeout)

    def _beaten(self, row: asyncpg.Record | None, timeline: Timeline | None, sent_at: float) -> None:
        if self._is_stopping:
            return
        if row is None:
            self._is_stopping = True
            self._trusted_until = 0.0
            self._tell(Beat(None))
            return
        self._server.primary.note(timeline)
        # Of two that are under way at a time the later may be told first.
        self._trusted_until = max(self._trusted_until, sent_at + self._lease_seconds * (1 - MARGIN_SHARE))
        if row["cancels"]:
            self._tell(Beat(row["cancels"]))

    def _drop_own(self) -> None:
        if self._own is not None:
            self._own.terminate()
        self._own = None

    def _tell(self, beat: Beat) -> None:
        if not self._main_loop.is_closed():
            self._main_loop.call_soon_threadsafe(self._on_beat, beat)

    async def _pause(self, seconds: float) -> None:
        assert self._now_please is not None  # noqa: S101 - made by the only caller's caller
        try:
            await asyncio.wait_for(self._now_please.wait(), seconds)
        except TimeoutError:
            return
        self._now_please.clear()


def retry_seconds(failures: int, lease_seconds: float) -> float:
    """The pause after so many failures in a row: about once a second or less often, but often within any lease."""
    return min(max(pause_seconds(failures, 0.5), RETRY_SECONDS), lease_seconds / 10)


async def register(pool: Connection | Pool, version: str, queues: Sequence[str], lease_seconds: float) -> UUID:
    """Announce a new incarnation of this daemon; answers its random id.

    Raises:
        OutdatedError: The database was changed in a way that this program cannot follow.
    """
    host, known = socket.gethostname(), newest_known()
    registered: UUID | None = await pool.fetchval(
        _SQL.daemon_register, uuid4(), host, os.getpid(), version, list(queues), lease_seconds, known
    )
    if registered is None:
        raise OutdatedError(f"a migration behind {known:04d}")
    return registered

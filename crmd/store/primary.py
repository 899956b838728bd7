"""Finds the server that may be written to, and stays with its newest history.

After a failover the same addresses lead to another server, and a primary that was cut off may still take writes which
nobody will ever see. So each new connection is asked which timeline it writes: an older one than was seen before is
refused, a newer one ends whatever rests on the old one. Claims made on the old timeline are made worthless on the new
one before a connection to it is handed out, since what their jobs wrote last may not have come along.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import anyio
import asyncpg
from asyncpg.connect_utils import SessionAttribute

from crmd.errors import UnreachableError
from crmd.store.addresses import single_addresses
from crmd.store.known_types import KnownTypesConnection
from crmd.store.queries import load_queries
from crmd.store.timeline import OldPrimaryError, Timeline, read_timeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from crmd.store.pools import Connection

_SQL = load_queries("crmd.store")
# One of several hosts that does not answer must not use up the time in which another would.
HOST_SECONDS = 3.0
# What one host answers that is worth asking the next.
_ELSEWHERE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Primary:
    """What a process knows of its primary; shared by its threads.

    Args:
        may_cross: Whether a newer timeline is followed; not by the process of a single job, whose work is of the old.

    Attributes:
        known: The newest timeline that was seen.
    """

    def __init__(self, *, may_cross: bool = True) -> None:
        self.known: Timeline | None = None
        self._may_cross = may_cross
        self._preferred = ""
        self._lives: dict[UUID, Timeline] = {}
        self._watchers: list[Callable[[], None]] = []
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[Primary], tuple[()]]:
        """Another process sees for itself."""
        return Primary, ()

    async def connect(self, dsn: str, **arguments: Any) -> asyncpg.Connection[asyncpg.Record]:  # noqa: ANN401 - of asyncpg.connect
        """A connection to the primary of the newest timeline, by whichever address leads there.

        Raises:
            UnreachableError: A pooler refuses the settings of our sessions.
        OldPrimaryError: Only a primary of an older timeline was found.
            OSError, asyncpg.PostgresError, asyncpg.InternalClientError: As the last address answered.
        """
        addresses = sorted(single_addresses(dsn), key=lambda address: address != self._preferred)
        if len(addresses) > 1:
            arguments["timeout"] = min(arguments["timeout"], HOST_SECONDS)
        for address in addresses[:-1]:
            with contextlib.suppress(*_ELSEWHERE):  # the last address tells, where none leads to a primary
                return await self._reach(address, arguments)
        return await self._reach(addresses[-1], arguments)

    async def look(self, dsn: str, arguments: dict[str, Any]) -> None:
        """See whether another address leads to a newer timeline, since an old primary may go on as if nothing were."""
        arguments = {**arguments, "timeout": HOST_SECONDS}
        del arguments["dsn"]
        async with anyio.create_task_group() as tasks:
            for address in single_addresses(dsn):
                if address != self._preferred:
                    tasks.start_soon(self._peek, address, arguments)

    def note(self, timeline: Timeline | None, address: str = "") -> None:
        """Take what a server says of itself. Callable from any thread.

        Raises:
            OldPrimaryError: Its history has ended elsewhere.
        """
        if timeline is None:
            return
        with self._lock:
            known = self.known
            is_new = known is not None and known != timeline
            if known is not None and (timeline.is_older_than(known) or (is_new and not self._may_cross)):
                raise OldPrimaryError(f"the primary found is of timeline {timeline.number}, not of {known.number}")
            self.known = timeline
            self._preferred = address or self._preferred
            watchers = list(self._watchers) if is_new else []
        for watcher in watchers:
            watcher()

    def live(self, daemon_id: UUID, timeline: Timeline | None) -> None:
        """Claims of this daemon are of `timeline`, and worth nothing on another."""
        if timeline is not None:
            self._lives[daemon_id] = timeline

    def forget(self, daemon_id: UUID) -> None:
        """This daemon holds no claim any more."""
        self._lives.pop(daemon_id, None)

    @contextlib.contextmanager
    def watched(self, watcher: Callable[[], None]) -> Iterator[None]:
        """Tell of each newer timeline, in whichever thread sees it."""
        self._watchers.append(watcher)
        try:
            yield
        finally:
            self._watchers.remove(watcher)

    async def disown(self, connection: Connection, timeline: Timeline | None) -> None:
        """Make claims of other timelines worthless on this one."""
        ended = [daemon_id for daemon_id, its in list(self._lives.items()) if timeline is not None and its != timeline]
        if ended:
            await connection.execute(_SQL.lease_disown, ended)

    async def _reach(self, address: str, arguments: dict[str, Any]) -> asyncpg.Connection[asyncpg.Record]:
        connection: asyncpg.Connection[asyncpg.Record]
        try:
            connection = await asyncpg.connect(
                address,
                target_session_attrs=SessionAttribute.primary,
                **{"connection_class": KnownTypesConnection, **arguments},
            )
        except asyncpg.ProtocolViolationError as error:
            raise UnreachableError(
                f"A pooler stands before PostgreSQL and refuses us: {error}.",
                hint="Set database.statement_cache = false, see docs/operations.md.",
            ) from error
        try:
            with anyio.fail_after(arguments["timeout"]):
                timeline = await read_timeline(connection)
                self.note(timeline, address)
                await self.disown(connection, timeline)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _peek(self, address: str, arguments: dict[str, Any]) -> None:
        with contextlib.suppress(*_ELSEWHERE):  # a standby, or nobody: as it should be
            connection = await self._reach(address, arguments)
            await connection.close(timeout=HOST_SECONDS)

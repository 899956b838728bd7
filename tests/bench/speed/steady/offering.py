"""Offers jobs at scheduled times, whatever happens: an open loop, as the world outside is one.

An offer that finds no database for a second is given up as refused. Nobody knows whether one stands whose answer was
lost: with a key it is made again at once, as by whoever has to know, and without it counts as unknown. Only what was
acknowledged has to be done.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg

from crmd.store.pools import UNREACHABLE
from speed.failure import BenchError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from speed.database import Connection, Database

CLIENTS = 8
PATIENCE_SECONDS = 1.0
STATEMENT_SECONDS = 10.0
TURN_SECONDS = 0.002
RETRY_SECONDS = 0.02
ENQUEUE = "SELECT crmd.enqueue('work', $1::jsonb)"
KEYED = "SELECT crmd.enqueue('work', $1::jsonb, unique_key => $2, unique_scope => 'for', unique_seconds => 60)"


@dataclass
class Offers:
    """What was offered, and what was answered.

    Attributes:
        database: Where.
        offered: So many in all; each has the next number.
        acknowledged: Number and id of those that the database has taken.
        refused: So many found no database in time.
        unknown: Numbers of those whose answer was lost.
        are_keyed: Whether they carry keys now, by which no offer that is made twice is two jobs.
    """

    database: Database
    offered: int = 0
    acknowledged: dict[int, UUID] = field(default_factory=dict)
    refused: int = 0
    unknown: set[int] = field(default_factory=set)
    are_keyed: bool = False
    _queue: asyncio.Queue[tuple[int, float]] = field(default_factory=asyncio.Queue)
    _clients: list[asyncio.Task[None]] = field(default_factory=list)

    async def at_rate(self, rate: float, seconds: float) -> None:
        """Offer so many a second, for so long."""
        began, made = time.monotonic(), 0
        while (elapsed := time.monotonic() - began) < seconds:
            while made < elapsed * rate:
                self._queue.put_nowait((self.offered, began + made / rate))
                self.offered += 1
                made += 1
            await asyncio.sleep(TURN_SECONDS)

    async def until_answered(self) -> None:
        """Wait until nothing is on its way.

        Raises:
            BenchError: A client met what it cannot do anything about.
        """
        answered = asyncio.create_task(self._queue.join())
        await asyncio.wait([answered, *self._clients], return_when=asyncio.FIRST_COMPLETED)
        if not answered.done():
            answered.cancel()
            [ended, *_] = [client for client in self._clients if client.done()]
            ended.result()

    @contextlib.asynccontextmanager
    async def clients(self) -> AsyncIterator[None]:
        """Clients that send offers inside the block."""
        self._clients = [asyncio.create_task(self._client()) for _ in range(CLIENTS)]
        try:
            yield
        finally:
            for client in self._clients:
                client.cancel()
            await asyncio.gather(*self._clients, return_exceptions=True)

    async def _client(self) -> None:
        connection: Connection | None = None
        try:
            while True:
                number, scheduled = await self._queue.get()
                while (connection := await self._connected(connection, scheduled)) is not None:
                    if await self._is_answered(connection, number) or not self.are_keyed:
                        break
                else:
                    self.refused += 1
                self._queue.task_done()
        finally:
            if connection is not None:
                connection.terminate()

    async def _connected(self, connection: Connection | None, scheduled: float) -> Connection | None:
        if connection is not None and not connection.is_closed():
            return connection
        while True:
            with contextlib.suppress(*UNREACHABLE):
                return await asyncpg.connect(self.database.dsn, timeout=STATEMENT_SECONDS)
            if time.monotonic() > scheduled + PATIENCE_SECONDS:
                return None
            await asyncio.sleep(RETRY_SECONDS)

    async def _is_answered(self, connection: Connection, number: int) -> bool:
        arguments = [ENQUEUE, f'{{"number": {number}}}']
        if self.are_keyed:
            arguments = [KEYED, arguments[1], str(number)]
        try:
            job_id = await connection.fetchval(*arguments, timeout=STATEMENT_SECONDS)
        except UNREACHABLE:
            self.unknown.add(number)
            connection.terminate()
            return False
        except asyncpg.PostgresError as error:
            raise BenchError(f"an enqueue failed: {error}") from error
        self.unknown.discard(number)
        self.acknowledged[number] = UUID(bytes=job_id.bytes)
        return True

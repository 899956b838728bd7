"""Hears wake-ups: a hint that there is work, never the proof. Polling goes on whatever happens here.

Behind a pooler of transactions nothing can be heard: a session there is another one with each statement. Then polling
is all there is, unless `database.listen_dsn` leads past the pooler.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anyio

from crmd.engine.forever import aligned
from crmd.store.door import Rank
from crmd.store.pools import connect, is_pooled
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg

    from crmd.store.pools import Connection, Server
    from crmd.store.timeline import Timeline

_LOG = logging.getLogger("crmd.engine")
_SQL = load_queries("crmd.store")
CHANNEL = "crmd_wake"
PROBE_SECONDS = 10.0
DEAF_SECONDS = 300.0


class Listener:
    """A connection of its own that listens, and is probed, since a dead one says nothing.

    Args:
        server: Where to connect; directly where a pooler is in between.
        on_word: Told each word that arrives (a queue, `*`, or `!cancel`), and `*` after each new start and each loss.

    Attributes:
        is_deaf: Words cannot be heard for the time being; not so where a pooler never lets one through.
    """

    def __init__(self, server: Server, on_word: Callable[[str], None]) -> None:
        self._server = server
        self._on_word = on_word
        self.is_deaf = True
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._timeline: Timeline | None = None
        self._lost = anyio.Event()

    async def keep_once(self) -> float:
        """Listen until it is time for the next look, or until the connection is lost, and nobody hears any more."""
        pause = await self.listen_once()
        with anyio.move_on_after(aligned(pause, anyio.current_time())):
            await self._lost.wait()
        return 0.0

    async def listen_once(self) -> float:
        """Make sure that somebody listens; answers the seconds until the next look.

        Whoever has just begun to listen may have missed a word, so all queues are looked at once.
        """
        if self._timeline != self._server.primary.known:
            self.close()
        if self._connection is None or self._connection.is_closed():
            if not self.is_deaf:
                self.is_deaf = True
                self._on_word("*")
            return await self._begin()
        with anyio.move_on_after(PROBE_SECONDS / 2) as patience:
            channels = {row[0] for row in await self._connection.fetch(_SQL.listening)}
        if patience.cancelled_caught or CHANNEL not in channels:
            _LOG.warning("the listener's connection is dead or does not listen; it is opened anew")
            self.close()
            return 0.0
        return PROBE_SECONDS

    async def _begin(self) -> float:
        self._connection = await connect(self._server, "crmd listener", is_direct=True, rank=Rank.LISTENER)
        lost = self._lost = anyio.Event()
        self._connection.add_termination_listener(lambda _: lost.set())
        self._timeline = self._server.primary.known
        if self._server.listen_dsn is None and await is_pooled(self._connection):
            _LOG.warning(
                "database.dsn leads through a pooler and database.listen_dsn is not set: wake-ups come by polling"
            )
            self.close()
            self.is_deaf = False
            return DEAF_SECONDS
        await self._connection.add_listener(CHANNEL, self._heard)
        self.is_deaf = False
        self._on_word("*")
        return PROBE_SECONDS

    def close(self) -> None:
        """Cut the connection."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection, self._lost = None, anyio.Event()

    def _heard(self, _connection: Connection, _pid: int, _channel: str, word: object) -> None:
        self._on_word(str(word))

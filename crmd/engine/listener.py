"""Hears wake-ups: a hint that there is work, never the proof. Polling goes on whatever happens here."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anyio

from crmd.store.pools import connect
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg

    from crmd.store.pools import Connection, Server

_LOG = logging.getLogger("crmd.engine")
_SQL = load_queries("crmd.store")
CHANNEL = "crmd_wake"
PROBE_SECONDS = 10.0


class Listener:
    """A connection of its own that listens, and is probed, since a dead one says nothing.

    Args:
        server: Where to connect; directly where a pooler is in between.
        on_word: Told each word that arrives (a queue, `*`, or `!cancel`), and `*` after each new start.
    """

    def __init__(self, server: Server, on_word: Callable[[str], None]) -> None:
        self._server = server
        self._on_word = on_word
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None

    async def listen_once(self) -> float:
        """Make sure that somebody listens; answers the seconds until the next look.

        Whoever has just begun to listen may have missed a word, so all queues are looked at once.
        """
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect(self._server, "crmd listener", is_direct=True)
            await self._connection.add_listener(CHANNEL, self._heard)
            self._on_word("*")
            return PROBE_SECONDS
        with anyio.move_on_after(PROBE_SECONDS / 2) as patience:
            channels = {row[0] for row in await self._connection.fetch(_SQL.listening)}
        if patience.cancelled_caught or CHANNEL not in channels:
            _LOG.warning("the listener's connection is dead or does not listen; it is opened anew")
            self.close()
            return 0.0
        return PROBE_SECONDS

    def close(self) -> None:
        """Cut the connection."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    def _heard(self, _connection: Connection, _pid: int, _channel: str, word: object) -> None:
        self._on_word(str(word))

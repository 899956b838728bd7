"""Looks on while it storms, from its own connection: how far the run is, and whether a job is ever in two tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import asyncpg

from crmd.store.pools import UNREACHABLE
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

_SQL = load_queries("crmd.chaos")
LOOK_SECONDS = 0.5
PATIENCE_SECONDS = 5.0


@dataclass(slots=True)
class Watch:
    """What was seen last.

    Args:
        dsn: Of the database itself.

    Attributes:
        waiting: Jobs that wait.
        running: Jobs that run.
        ended: Jobs that are over.
        overlaps: Jobs that were in two tables at once.
        looks: How often it was looked.
    """

    dsn: str = field(repr=False)
    waiting: int = 0
    running: int = 0
    ended: int = 0
    looks: int = 0
    overlaps: list[UUID] = field(default_factory=list)
    _connection: asyncpg.Connection[asyncpg.Record] | None = None

    @property
    def backlog(self) -> int:
        """Jobs that have not ended."""
        return self.waiting + self.running

    async def look_on(self, on_look: Callable[[], None]) -> None:
        """Look again and again, until cancelled; while the database is away there is nothing to see."""
        while True:
            await self.look()
            on_look()
            await anyio.sleep(LOOK_SECONDS)

    async def look(self) -> bool:
        """Look once; whether the database answered."""
        try:
            connection = await self._connected()
            row = await connection.fetchrow(_SQL.standing)
            assert row is not None  # noqa: S101 - it always gives one row
            self.waiting, self.running, self.ended = row["waiting"], row["running"], row["ended"]
            self.overlaps += [row["id"] for row in await connection.fetch(_SQL.overlaps)]
            self.looks += 1
        except (*UNREACHABLE, asyncpg.PostgresError):
            self._connection = None
            return False
        return True

    async def execute(self, statement: str) -> None:
        """Run a statement of the run's own, if the database answers."""
        try:
            await (await self._connected()).execute(statement)
        except (*UNREACHABLE, asyncpg.PostgresError):
            self._connection = None

    async def _connected(self) -> asyncpg.Connection[asyncpg.Record]:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self.dsn, timeout=PATIENCE_SECONDS, command_timeout=PATIENCE_SECONDS
            )
        return self._connection

"""The row by which other daemons know what is watched here, so that they tell at once what they change."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from crmd.store.pools import Connection, Pool

_SQL = load_queries("crmd.store")
HOLDS_SECONDS = 30.0
RENEW_SECONDS = 10.0
# Beyond it other daemons tell of all workspaces.
NAMED_MAX = 1000


class Announcement:
    """Our row.

    Args:
        pool: To withdraw it by.
        own_id: Of this process.
    """

    def __init__(self, pool: Pool, own_id: UUID) -> None:
        self._pool = pool
        self._id = own_id
        self._said: frozenset[UUID] | None = frozenset()
        self._renew_at = 0.0

    async def renew(self, connection: Connection, workspaces: Sequence[UUID] | None) -> None:
        """Say what is watched, when it has changed or was said long ago."""
        named = None if workspaces is None or len(workspaces) > NAMED_MAX else frozenset(workspaces)
        now = time.monotonic()
        if named == self._said and now < self._renew_at:
            return
        await connection.execute(_SQL.watching_put, self._id, None if named is None else list(named), HOLDS_SECONDS)
        self._said, self._renew_at = named, now + RENEW_SECONDS

    async def withdraw(self) -> None:
        """Nothing is watched any more."""
        if self._renew_at:
            await self._pool.execute(_SQL.watching_drop, self._id)
            self._said, self._renew_at = frozenset(), 0.0

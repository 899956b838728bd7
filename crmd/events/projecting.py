"""Keeps projections up to date: folds events in behind a cursor that moves in the same transaction.

Any daemon may do it; the row of a generation is the lock. A fold sees one workspace at a time, as every statement of a
plugin does. A rebuild is a second generation that starts from the oldest event and takes the place of the first.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

import asyncpg

from crmd.store.events import settled_seq
from crmd.store.pools import ACQUIRE_SECONDS, UNREACHABLE
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from uuid import UUID

    from crmd.projection import Projection
    from crmd.store.pools import Connection, Pool

_LOG = logging.getLogger("crmd.events")
_SQL = load_queries("crmd.store")
LOOK_SECONDS = 1.0
# Numbers of the order that one transaction goes through, few enough for the deadline of a statement; more of them where
# a generation is built, since folding many events at once costs less.
WINDOW = 20_000
BUILDING_FACTOR = 5
CLEARED_MAX = 100


class Projecting:
    """Folds on behalf of one daemon.

    Args:
        pool: That of the plugins, whose statements these are.
        projections: Those loaded here.
        is_role_changed: As in `Services`.
        window: Numbers of the order that one transaction goes through.
    """

    def __init__(
        self, pool: Pool, projections: Sequence[Projection], *, is_role_changed: bool, window: int = WINDOW
    ) -> None:
        self._pool = pool
        self._projections = {one.name: one for one in projections}
        self._is_role_changed = is_role_changed
        self._window = window

    async def project_once(self) -> float:
        """One step for each projection that is behind; answers the seconds until the next look."""
        if not self._projections:
            return LOOK_SECONDS
        seq = await settled_seq(self._pool)
        rows = await self._pool.fetch(_SQL.projections_due, seq, list(self._projections))
        is_behind = False
        for row in rows:
            is_behind |= await self._step(self._projections[row["name"]], row["generation"], seq)
        return 0.0 if is_behind else LOOK_SECONDS

    async def _step(self, projection: Projection, generation: int, seq: int) -> bool:
        """Fold one window in, or clear what is left of an old generation; whether there is more to do at once."""
        try:
            async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection, connection.transaction():
                row = await connection.fetchrow(_SQL.projection_lock, projection.name, generation)
                if row is None:
                    return False
                if row["state"] == "old":
                    return await self._clear(connection, projection, generation)
                return await self._fold(connection, projection, generation, row, seq)
        except UNREACHABLE:
            raise
        except asyncpg.PostgresError as error:
            await self._failed(projection, generation, error)
            return False

    async def _fold(self, connection: Connection, projection: Projection, generation: int, row: Any, seq: int) -> bool:  # noqa: ANN401 - a row of projection_lock.sql
        is_building = row["state"] == "building"
        upto = min(seq, row["seq"] + self._window * (BUILDING_FACTOR if is_building else 1))
        found = await connection.fetch(_SQL.projection_workspaces, row["seq"], upto, list(projection.events))
        workspaces: list[UUID] = sorted(each["workspace_id"] for each in found)
        for workspace_id in workspaces:
            async with self._within(connection, workspace_id):
                await connection.execute(projection.fold, generation, row["seq"], upto)
        if workspaces:
            await connection.execute(_SQL.projection_reached, projection.name, generation, workspaces)
        await connection.execute(_SQL.projection_advance, projection.name, generation, max(upto, row["seq"]))
        has_caught_up = upto >= seq
        if (
            is_building
            and has_caught_up
            and await connection.fetchval(_SQL.projection_swap, projection.name, generation)
        ):
            await connection.execute(_SQL.projection_live, projection.name, generation)
            _LOG.info("projection %s is read from generation %d", projection.name, generation)
        return not has_caught_up

    async def _clear(self, connection: Connection, projection: Projection, generation: int) -> bool:
        left = await connection.fetch(_SQL.projection_left, projection.name, generation, CLEARED_MAX)
        for row in left:
            async with self._within(connection, row["workspace_id"]):
                await connection.execute(projection.reset, generation)
            await connection.execute(_SQL.projection_cleared, projection.name, generation, row["workspace_id"])
        if not left:
            await connection.execute(_SQL.projection_forget, projection.name, generation)
        return bool(left)

    async def _failed(self, projection: Projection, generation: int, error: asyncpg.PostgresError) -> None:
        """Note it: the others go on, and this one is tried again. Skipping events would make it say what is not so."""
        reason = f"SQLSTATE {error.sqlstate}"
        _LOG.error("projection %s stands still: %s; see `crmd events projections`", projection.name, reason)
        await self._pool.execute(_SQL.projection_failed, projection.name, generation, f"{error} ({reason})")

    @contextlib.asynccontextmanager
    async def _within(self, connection: Connection, workspace_id: UUID) -> AsyncIterator[None]:
        """A plugin's rights in one workspace; where it fails, the whole transaction does."""
        await connection.fetch(_SQL.workspace_set, str(workspace_id))
        if self._is_role_changed:
            await connection.execute(_SQL.role_app)
        yield
        if self._is_role_changed:
            await connection.execute(_SQL.role_engine)

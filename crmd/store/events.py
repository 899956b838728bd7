"""Events as operators see them, and what plugins declare about them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec

from crmd.errors import PluginError
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from crmd.job_type import JobType
    from crmd.projection import Projection
    from crmd.store.pools import Connection, Pool

_LOG = logging.getLogger("crmd.events")
_SQL = load_queries("crmd.store")


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events; None leaves a question open.

    Args:
        types: As `contact.created`, `contact.*` or `*`.
        since: Emitted at this instant or later.
        before: Emitted earlier than this.
    """

    types: Sequence[str] | None = None
    workspace_id: UUID | None = None
    user_id: UUID | None = None
    aggregate_type: str | None = None
    aggregate_id: str | None = None
    since: datetime | None = None
    before: datetime | None = None

    def parameters(self) -> tuple[Any, ...]:
        """$1 to $7 of the statements that take a filter."""
        who = (self.types, self.workspace_id, self.user_id)
        return (*who, self.aggregate_type, self.aggregate_id, self.since, self.before)


async def settled_seq(pool: Pool) -> int:
    """The number up to which no event can appear any more."""
    seq: int = await pool.fetchval(_SQL.event_horizon)
    return seq


async def declare_projections(
    connection: Connection, plugins: Sequence[str], projections: Sequence[Projection]
) -> None:
    """Note the projections of the loaded plugins; one that is new or of another version is built."""
    for one in projections:
        await connection.execute(_SQL.projection_overtake, one.name, one.version)
    rows = [{"name": one.name, "plugin": one.plugin, "version": one.version} for one in projections]
    await connection.execute(_SQL.declare_projections, msgspec.json.encode(rows))
    await connection.execute(_SQL.projections_undeclared, list(plugins), [one.name for one in projections])


async def hear_jobs(connection: Connection) -> bool:
    """Let the ends of jobs be told of, or no longer, as the wishes are now; whether that was done.

    Switching waits for whoever is ending jobs; one whose transaction is long keeps it from being done for now.
    """
    try:
        await connection.fetch(_SQL.hear_jobs)
    except asyncpg.LockNotAvailableError:
        _LOG.warning("a long transaction ends jobs; whether job.* events are told of is settled behind it")
        return False
    return True


async def check_conditions(connection: Connection, job_types: Sequence[JobType]) -> None:
    """Let PostgreSQL read the conditions of triggers.

    Raises:
        PluginError: One is not an SQL/JSON path, or neither true nor false; the sentence names its job type.
    """
    for job_type in job_types:
        for condition in {trigger.condition for trigger in job_type.triggers} - {None}:
            try:
                await connection.fetchval(_SQL.condition_check, condition)
            except asyncpg.PostgresError as error:
                raise PluginError(f"The condition of {job_type.name} does not hold together: {error}.") from error

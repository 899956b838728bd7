"""What became of the items of jobs that work through many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from crmd.store.pools import Connection, Pool

_SQL = load_queries("crmd.store")


async def settled(
    connection: Connection | Pool, job_id: UUID, names: Sequence[str], failed_of: UUID | None
) -> set[str]:
    """Those of the items that the job need not do: booked already, or no failed ones of the job it repeats."""
    return {row["item"] for row in await connection.fetch(_SQL.items_settled, job_id, names, failed_of)}


async def counted(connection: Connection | Pool, job_id: UUID) -> list[Any]:
    """How many items a job has booked, by outcome and reason."""
    return await connection.fetch(_SQL.items_counted, job_id)

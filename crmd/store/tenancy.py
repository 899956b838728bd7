"""What is owed to a tenant: all the rows of a workspace to take away, and all of them gone."""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from crmd.errors import CrmdError
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from uuid import UUID

    from crmd.store.pools import Connection, Pool

_SQL = load_queries("crmd.store")
# A whole table may have to be read for the rows of one workspace.
PATIENCE_SECONDS = 1800.0
ROWS_MAX = 20_000
PAGE = 500
# Sealed tokens are of no use to anybody else, and keys of uniqueness hold nothing of the tenant's.
NOT_EXPORTED = frozenset({("crmd", "connection_secret"), ("crmd", "unique_key"), ("crmd", "cursor")})


@dataclass(frozen=True, slots=True)
class TenantTable:
    """A table, or one partition of it, that holds rows of workspaces.

    Attributes:
        oid: Of the table or partition.
        name: With its schema; of the whole table where this is a partition.
        condition: Finds the rows of the workspace $1 under the alias t.
        is_erased: Whether its rows go when the workspace does.
        place: The core's tables in order: those found by others before those.
    """

    oid: int
    name: tuple[str, str]
    condition: str
    is_erased: bool
    place: int


async def tables(connection: Connection) -> list[TenantTable]:
    """All of them, in an order in which their rows can be erased.

    Raises:
        CrmdError: Foreign keys of plugins' tables go round in a circle.
    """
    rows = await connection.fetch(_SQL.tenant_tables)
    found = [
        TenantTable(
            row["oid"], (row["schema_name"], row["root_name"]), row["condition"], row["is_erased"], row["place"]
        )
        for row in rows
    ]
    references = [(row["from_oid"], row["to_oid"]) for row in await connection.fetch(_SQL.tenant_references)]
    return in_order(found, references)


def in_order(found: Sequence[TenantTable], references: Iterable[tuple[int, int]]) -> list[TenantTable]:
    """Tables that refer to others before those; within that, by their place and as they came.

    Raises:
        CrmdError: The references go round in a circle.
    """
    by_oid = {table.oid: table for table in found}
    sorter: TopologicalSorter[int] = TopologicalSorter(dict.fromkeys(by_oid, ()))
    for from_oid, to_oid in references:
        if from_oid in by_oid and to_oid in by_oid:
            sorter.add(to_oid, from_oid)
    try:
        ranks = {oid: rank for rank, oid in enumerate(sorter.static_order())}
    except CycleError as error:
        names = ", ".join(sorted({".".join(by_oid[oid].name) for oid in error.args[1]}))
        raise CrmdError(
            f"The tables {names} refer to one another in a circle.", hint="Let one of the references be deferrable."
        ) from None
    return sorted(found, key=lambda table: (table.place, ranks[table.oid]))


async def counts(connection: Connection, workspace_id: UUID, found: Sequence[TenantTable]) -> dict[str, int]:
    """How many rows the workspace has in each table that has any."""
    held: dict[str, int] = {}
    for table in found:
        rows = await connection.fetchval(
            _SQL.tenant_count, table.oid, table.condition, workspace_id, timeout=PATIENCE_SECONDS
        )
        if rows:
            name = ".".join(table.name)
            held[name] = held.get(name, 0) + rows
    return held


async def rows(connection: Connection, workspace_id: UUID, table: TenantTable) -> AsyncIterator[list[Any]]:
    """The workspace's rows in one table, a page at a time; needs a transaction."""
    cursor = await connection.cursor(_SQL.tenant_rows, table.oid, table.condition, workspace_id)
    while page := await cursor.fetch(PAGE, timeout=PATIENCE_SECONDS):
        yield [row["row"] for row in page]


async def erase(connection: Connection, workspace_id: UUID, table: TenantTable) -> int:
    """Erase the workspace's rows in one table, a bounded number in each transaction; answers how many."""
    total = 0
    while True:
        async with connection.transaction():
            await enter(connection, workspace_id)
            erased: int = await connection.fetchval(
                _SQL.tenant_erase, table.oid, table.condition, workspace_id, ROWS_MAX, timeout=PATIENCE_SECONDS
            )
        total += erased
        if erased < ROWS_MAX:
            return total


async def enter(connection: Connection, workspace_id: UUID) -> None:
    """Let policies of plugins' tables show the workspace's rows until the transaction ends, and take time for it."""
    await connection.execute(_SQL.patience, timeout=PATIENCE_SECONDS)
    await connection.fetch(_SQL.workspace_set, str(workspace_id))


async def quiet(pool: Pool, workspace_id: UUID, reason: str) -> None:
    """Keep the workspace from starting anything from now on."""
    await pool.execute(_SQL.tenant_quiet, workspace_id, reason)


async def running(pool: Pool, workspace_id: UUID) -> int:
    """How many of its jobs still run."""
    count: int = await pool.fetchval(_SQL.tenant_running, workspace_id)
    return count


async def end(pool: Pool, workspace_id: UUID) -> None:
    """Take away the last: its gate, and the details of what operators did to it."""
    await pool.execute(_SQL.tenant_end, workspace_id)

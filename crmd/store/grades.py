"""Grades of plugins that were run against this installation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.graded import Grade, Graded
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from crmd.store.pools import Connection, Pool

_SQL = load_queries("crmd.store")


async def record(connection: Connection | Pool, plugin: str, distribution: str, grade: Grade) -> None:
    """Keep a grade in the place of the plugin's earlier one."""
    await connection.execute(_SQL.grade_record, plugin, distribution, grade)


async def recorded(connection: Connection | Pool) -> dict[str, Graded]:
    """Those that were kept, by plugin."""
    return {row["plugin"]: Graded(**row) for row in await connection.fetch(_SQL.grade_list)}

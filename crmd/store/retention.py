"""Retention by class: payloads and results of finished jobs are let go before the jobs themselves, hour by hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from crmd.store.pools import Connection

_SQL = load_queries("crmd.store")
HOURS_MAX = 48
# An hour may hold a million jobs.
PATIENCE_SECONDS = 1800.0


async def let_go(connection: Connection, class_name: str, days: int, archive_days: int) -> bool:
    """Go over the next hours of one class, each once and in a transaction of its own; whether there is more to do.

    Args:
        connection: Where.
        class_name: `payload` or `result`.
        days: How long it is kept.
        archive_days: How long the jobs themselves are kept.
    """
    statement = _SQL.retention_payload if class_name == "payload" else _SQL.retention_result
    for _ in range(HOURS_MAX):
        async with connection.transaction():
            hour = await connection.fetchrow(_SQL.retention_next, class_name, days, archive_days)
            if hour is None:
                return False
            await connection.execute(_SQL.patience)
            await connection.execute(statement, hour["begins_at"], hour["ends_at"], timeout=PATIENCE_SECONDS)
            await connection.execute(_SQL.retention_done, class_name, hour["ends_at"])
    return True

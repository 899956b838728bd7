"""Gates: keys that are closed until an instant, or until somebody opens them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from uuid import UUID

    from crmd.context import Statements

REASON_LENGTH_MAX = 500


@dataclass(frozen=True, slots=True)
class Closed:
    """A gate that is closed now.

    Args:
        key: What waits behind it names this key.
        wait_seconds: Until it opens by itself; None when it waits for a person.
        reason: For people.
    """

    key: str
    wait_seconds: float | None
    reason: str


def connection_key(connection_id: UUID) -> str:
    """The gate of one connection, behind which its jobs wait."""
    return f"connection/{connection_id}"


async def close(database: Statements, key: str, *, seconds: float | None, reason: str) -> None:
    """Close a gate on all daemons for `seconds` (None: until somebody opens it); never shortens a longer pause."""
    await database.execute(load_queries("crmd.store").gate_close, key, seconds, reason[:REASON_LENGTH_MAX])


async def reopen(database: Statements, key: str) -> bool:
    """Open a gate and wake sleeping daemons; False when it was not closed."""
    return bool(await database.fetchval(load_queries("crmd.store").gate_open, key))


async def closed(database: Statements, key: str) -> Closed | None:
    """Why and how long a gate is closed; None when it is open."""
    row = await database.fetchrow(load_queries("crmd.store").gate_wait, key)
    return None if row is None else Closed(key, row["wait_seconds"], row["reason"])


async def closed_gates(database: Statements) -> list[Closed]:
    """All gates that are closed now, by key."""
    rows = await database.fetch(load_queries("crmd.store").gate_list)
    return [Closed(row["key"], row["wait_seconds"], row["reason"]) for row in rows]


async def sweep(database: Statements, *, older_than_seconds: float = 86_400.0) -> None:
    """Forget gates that opened by themselves that long ago."""
    await database.execute(load_queries("crmd.store").gate_sweep, older_than_seconds)

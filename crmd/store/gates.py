"""Gates: keys that are closed until an instant, or until somebody opens them; and closed by calls that fail in a row.

A gate is the breaker of what is behind it, too. One request that always fails must not stop an account, and a provider
that is down must not be asked by every job in turn: so an answer sets the count of failures back, and from the fifth on
each further one makes a longer pause. When such a pause is over, one request tries for the whole fleet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from uuid import UUID

    from crmd.context import Statements

_SQL = load_queries("crmd.store")
REASON_LENGTH_MAX = 500
# Calls that fail in a row, each after its own attempts, until the gate closes; and how long the pauses are.
FAILURES_MAX = 5
FIRST_PAUSE_SECONDS = 15.0
PAUSE_SECONDS_MAX = 300.0
FAILURES_FORGOTTEN_SECONDS = 900.0
# How long the one that tries keeps the others out, if nothing is heard of it: longer than a request may take.
TRY_SECONDS = 75.0


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


@dataclass(frozen=True, slots=True)
class Passed:
    """A gate that is open.

    Args:
        is_troubled: Calls behind it have failed of late: an answer is worth telling.
        is_trying: This is the one request that tries after a breaker's pause; all others wait for it.
    """

    is_troubled: bool = False
    is_trying: bool = False


def connection_key(connection_id: UUID) -> str:
    """The gate of one connection, behind which its jobs wait."""
    return f"connection/{connection_id}"


async def close(database: Statements, key: str, *, seconds: float | None, reason: str) -> None:
    """Close a gate on all daemons for `seconds` (None: until somebody opens it); never shortens a longer pause."""
    await database.execute(_SQL.gate_close, key, seconds, reason[:REASON_LENGTH_MAX])


async def reopen(database: Statements, key: str) -> bool:
    """Open a gate and wake sleeping daemons; False when it was not closed."""
    return bool(await database.fetchval(_SQL.gate_open, key))


async def passed(database: Statements, key: str) -> Passed | Closed:
    """Pass a gate, or be told that it is closed. Behind a breaker's pause, one passes and tries."""
    row = await database.fetchrow(_SQL.gate_pass, key, FAILURES_MAX, TRY_SECONDS)
    if row is None:
        return Passed()
    if row["is_shut"]:
        return Closed(key, row["wait_seconds"], row["reason"])
    return Passed(is_troubled=row["failures"] > 0, is_trying=row["is_trying"])


async def failed(
    database: Statements, key: str, *, reason: str, chance: float, is_trying: bool = False
) -> float | None:
    """A call behind the gate was given up.

    Args:
        database: The engine's.
        key: Of the gate.
        reason: Why, for people.
        chance: A random number in [0, 1) for the jitter.
        is_trying: Whether it was the one that tried.

    Returns:
        Seconds for which the gate is closed now; 0: it is open; None: it waits for a person.
    """
    row = await database.fetchrow(
        _SQL.gate_failed, key, reason[:REASON_LENGTH_MAX], FAILURES_MAX, FIRST_PAUSE_SECONDS, PAUSE_SECONDS_MAX,
        1 + chance / 4, is_trying, FAILURES_FORGOTTEN_SECONDS,
    )  # fmt: skip
    seconds: float | None = row["closed_seconds"]
    return seconds


async def answered(database: Statements, key: str, *, is_trying: bool = False) -> None:
    """A call behind the gate was answered: failures are counted anew, and the one that tried opens it for all."""
    await database.execute(_SQL.gate_answered, key, is_trying)


async def closed(database: Statements, key: str) -> Closed | None:
    """Why and how long a gate is closed; None when it is open."""
    row = await database.fetchrow(_SQL.gate_wait, key)
    return None if row is None else Closed(key, row["wait_seconds"], row["reason"])


async def closed_gates(database: Statements) -> list[Closed]:
    """All gates that are closed now, by key."""
    rows = await database.fetch(_SQL.gate_list)
    return [Closed(row["key"], row["wait_seconds"], row["reason"]) for row in rows]


async def sweep(database: Statements, *, older_than_seconds: float = 86_400.0) -> None:
    """Forget gates that opened by themselves that long ago."""
    await database.execute(_SQL.gate_sweep, older_than_seconds)

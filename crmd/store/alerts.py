"""Alerts as the database keeps them: one row a fault, so that however many daemons look, each is told once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from crmd.store.pools import Pool

_SQL = load_queries("crmd.store")
RECOVERED_SECONDS = 120.0
TOLD_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A fault that was found.

    Attributes:
        fault: Which one.
        id: Of this occurrence.
        kind: Of fault.
        sentence: What is wrong.
        hint: What to look at first.
        opened_at: When it was found first.
        recovered_at: When it was over; None: it lasts.
        told_open: Ways on which its beginning was told.
        told_end: Ways on which its end was told.
    """

    fault: str
    id: UUID
    kind: str
    sentence: str
    hint: str
    opened_at: datetime
    recovered_at: datetime | None
    told_open: Sequence[str]
    told_end: Sequence[str]


async def book(pool: Pool, faults: Sequence[tuple[str, str, str, str]]) -> None:
    """Book what was found now, and what has not been found for a while as over.

    Args:
        pool: Of the engine.
        faults: Fault, kind, sentence and hint of each.
    """
    columns = [list(column) for column in zip(*faults, strict=True)] if faults else [[], [], [], []]
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_SQL.alerts_found, *columns)
        await connection.execute(_SQL.alerts_recovered, RECOVERED_SECONDS)


async def claim(pool: Pool, ways: Sequence[str]) -> list[Alert]:
    """What is to be told on one of these ways; nobody else is given it for a minute."""
    return [Alert(**row) for row in await pool.fetch(_SQL.alerts_claim, ways, TOLD_MAX)]


async def told(pool: Pool, way: str, opened: Sequence[str], ended: Sequence[str]) -> None:
    """Book on which way the beginnings and ends of faults were told."""
    await pool.execute(_SQL.alerts_told, way, opened, ended)


async def forget(pool: Pool, ways: Sequence[str]) -> None:
    """Forget what is over and told."""
    await pool.execute(_SQL.alerts_forget, ways)

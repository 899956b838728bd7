"""Fires schedules. No leader: any daemon may, and the unique row of a slot is the proof that it fired once."""

from __future__ import annotations

import logging
import random
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import asyncpg

from crmd.due import DueTicks, Timetable, due_ticks, read_timetable, spread_delay
from crmd.errors import CrmdError
from crmd.store.pools import UNREACHABLE
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from crmd.store.pools import Connection, Pool

_LOG = logging.getLogger("crmd.engine")
_SQL = load_queries("crmd.store")
BATCH = 500
_JUST_BEFORE = timedelta(seconds=1)
LOOK_MAX_SECONDS = 5.0


async def schedule_once(pool: Pool) -> float:
    """Fire what is due; answers the seconds until the next look."""
    async with pool.acquire() as connection, connection.transaction():
        rows = await connection.fetch(_SQL.schedules_due, BATCH)
        decided = [(row, ticks) for row in rows if (ticks := await _decided(connection, row)) is not None]
        if decided:
            await _fire(connection, decided)
    if len(rows) == BATCH:
        return 0.0
    seconds: float | None = await pool.fetchval(_SQL.schedules_next)
    soon = LOOK_MAX_SECONDS if seconds is None else min(max(seconds, 0.0), LOOK_MAX_SECONDS)
    return soon + 0.05 * random.random()  # noqa: S311 - jitter, so that a fleet does not look as one


async def _decided(connection: Connection, row: Any) -> DueTicks | None:  # noqa: ANN401 - a row of schedules_due.sql
    """What the schedule owes; one that cannot be evaluated is set aside with its reason."""
    handled = row["last_due_at"] or row["next_due_at"] - _JUST_BEFORE  # a row that was made by hand
    try:
        timetable = _timetable(row["expression"], row["timezone"], row["id"])
        return due_ticks(timetable, handled, row["now"], row["catch_up"], row["catch_up_max"])
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one, the others go on; it is kept and logged
        await _set_aside(connection, row, str(error) if isinstance(error, CrmdError) else repr(error))
        return None


async def _set_aside(connection: Connection, row: Any, reason: str) -> None:  # noqa: ANN401 - a row of schedules_due.sql
    _LOG.error("schedule %s is set aside: %s", row["id"], reason)
    await connection.execute(_SQL.schedule_break, row["id"], reason)


async def _fire(connection: Connection, decided: list[tuple[Any, DueTicks]]) -> None:
    """Fire all at once; where one can't be fired, fire each on its own, so that only that one is set aside."""
    try:
        async with connection.transaction():
            await _fire_together(connection, decided)
    except UNREACHABLE:  # a lock that was waited for, a server that stops: not the schedule's fault
        raise
    except asyncpg.PostgresError as error:
        if len(decided) == 1:
            [(row, _)] = decided
            await _set_aside(connection, row, _reason(error))
            return
        for one in decided:
            await _fire(connection, [one])


async def _fire_together(connection: Connection, decided: list[tuple[Any, DueTicks]]) -> None:
    fires = [
        (row["id"], tick, tick + spread_delay(row["id"], row["spread_seconds"]))
        for row, ticks in decided
        for tick in ticks.ticks
    ]
    if fires:
        ids, due, run = (list(column) for column in zip(*fires, strict=True))
        await connection.fetch(_SQL.schedules_fire, ids, due, run)
    await connection.execute(
        _SQL.schedules_advance,
        [row["id"] for row, _ in decided],
        [ticks.last_due_at for _, ticks in decided],
        [ticks.next_due_at for _, ticks in decided],
    )


def _reason(error: asyncpg.PostgresError) -> str:
    """The sentence of our own functions; of PostgreSQL's errors only the code, since their text may hold values."""
    if error.sqlstate.startswith("CR"):
        return str(error)
    return f"its job cannot be enqueued (SQLSTATE {error.sqlstate})"


@lru_cache(maxsize=4096)
def _timetable(expression: str, zone: str, schedule_id: str) -> Timetable:
    return read_timetable(expression, zone, spread_id=schedule_id)

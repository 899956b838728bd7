"""Fires schedules. No leader: any daemon may, and the unique row of a slot is the proof that it fired once."""

from __future__ import annotations

import itertools
import logging
import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import asyncpg

from crmd.crontab import is_hashed
from crmd.due import DueTicks, due_together, read_timetable, spread_delay
from crmd.errors import CrmdError
from crmd.store.pools import UNREACHABLE
from crmd.store.queries import load_queries
from crmd.store.refusals import is_refusal, sentence_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crmd.store.pools import Connection, Pool

    Decided = tuple[Any, DueTicks]  # a row of schedules_due.sql, and what it owes

_LOG = logging.getLogger("crmd.engine")
_SQL = load_queries("crmd.store")
# Few enough for one statement to stay far from its deadline, and for several daemons to share an hour's worth.
BATCH = 5000
_JUST_BEFORE = timedelta(seconds=1)
_NAMED_MAX = 20
LOOK_MAX_SECONDS = 5.0


async def schedule_once(pool: Pool) -> float:
    """Fire what is due, if anything is; answers the seconds until the next look."""
    seconds = await _seconds_left(pool)
    if seconds == 0.0:
        async with pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(_SQL.schedules_due, BATCH)
            decided, broken = decide(rows)
            broken += await _fire(connection, decided)
            if broken:
                await _set_aside(connection, broken)
        if len(rows) == BATCH:
            return 0.0
        seconds = await _seconds_left(pool)
    return seconds + 0.05 * random.random()  # noqa: S311 - jitter, so that a fleet does not look as one


async def _seconds_left(pool: Pool) -> float:
    """Until the next schedule is due, or the next look; 0: one is."""
    seconds: float | None = await pool.fetchval(_SQL.schedules_next)
    return LOOK_MAX_SECONDS if seconds is None else min(max(seconds, 0.0), LOOK_MAX_SECONDS)


def decide(rows: Sequence[Any]) -> tuple[list[Decided], list[tuple[str, str]]]:
    """What the rows of schedules_due.sql owe, and the ids of those that cannot be evaluated, with the reason.

    Schedules that share their times are decided together: a million rows have a few dozen timetables.
    """
    decided: list[Decided] = []
    broken: list[tuple[str, str]] = []
    for alike in _by_times(rows):
        try:
            decided += zip(alike, _owed(alike), strict=True)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one, the others go on; it is kept and logged
            reason = str(error) if isinstance(error, CrmdError) else repr(error)
            broken += [(row["id"], reason) for row in alike]
    return decided, broken


def _by_times(rows: Iterable[Any]) -> Iterable[list[Any]]:
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for row in rows:
        expression = row["expression"]
        own = row["id"] if is_hashed(expression) else None
        times = (expression, row["timezone"], row["offset_seconds"], row["catch_up"], row["catch_up_max"], own)
        groups.setdefault((*times, None if row["has_job_type"] else row["job_type"]), []).append(row)
    return groups.values()


def _owed(alike: Sequence[Any]) -> list[DueTicks]:
    row = alike[0]
    if not row["has_job_type"]:
        raise CrmdError(f"No job type {row['job_type']!r} is registered.")
    timetable = read_timetable(
        row["expression"], row["timezone"], spread_id=row["id"], offset_seconds=row["offset_seconds"]
    )
    handled = [one["last_due_at"] or one["next_due_at"] - _JUST_BEFORE for one in alike]  # None: a row made by hand
    return due_together(timetable, handled, row["now"], row["catch_up"], row["catch_up_max"])


async def _set_aside(connection: Connection, broken: Sequence[tuple[str, str]]) -> None:
    for schedule_id, reason in broken[:_NAMED_MAX]:
        _LOG.error("schedule %s is set aside: %s", schedule_id, reason)
    if len(broken) > _NAMED_MAX:
        _LOG.error("%d more schedules are set aside", len(broken) - _NAMED_MAX)
    ids, reasons = zip(*broken, strict=True)
    await connection.execute(_SQL.schedules_break, ids, reasons)


async def _fire(connection: Connection, decided: Sequence[Decided]) -> list[tuple[str, str]]:
    """Fire all at once. Where that fails, halve until what cannot be fired stands alone; answers it with the reason."""
    if not decided:
        return []
    try:
        async with connection.transaction():
            await _fire_together(connection, decided)
    except UNREACHABLE:  # a lock that was waited for, a server that stops: not the schedule's fault
        raise
    except asyncpg.PostgresError as error:
        if len(decided) == 1:
            [(row, _)] = decided
            return [(row["id"], _reason(error))]
        middle = len(decided) // 2
        return await _fire(connection, decided[:middle]) + await _fire(connection, decided[middle:])
    return []


async def _fire_together(connection: Connection, decided: Sequence[Decided]) -> None:
    slots = [
        (row["id"], tick, tick + spread_delay(row["id"], row["spread_seconds"]), previous)
        for row, owed in decided
        for previous, tick in itertools.pairwise((row["last_tick_at"], *owed.ticks))
    ]
    if slots:
        await connection.fetch(_SQL.schedules_fire, *map(list, zip(*slots, strict=True)), False)
    await connection.execute(
        _SQL.schedules_advance,
        [row["id"] for row, _ in decided],
        [owed.last_due_at for _, owed in decided],
        [owed.next_due_at for _, owed in decided],
        [owed.ticks[-1] if owed.ticks else None for _, owed in decided],
    )


def _reason(error: asyncpg.PostgresError) -> str:
    """The sentence of our own functions; of PostgreSQL's errors only the code, since their text may hold values."""
    if is_refusal(error):
        return sentence_of(error)
    return f"its job cannot be enqueued (SQLSTATE {error.sqlstate})"

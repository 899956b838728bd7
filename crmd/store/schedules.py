"""Schedules as their callers see them: make, move and drop; look at them, pause them, fire what a window had."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec

from crmd.due import read_timetable, spread_delay, ticks_after
from crmd.errors import UsageError
from crmd.model import At, Schedule
from crmd.once import text_of
from crmd.store.jobs import check_size
from crmd.store.queries import load_queries
from crmd.store.refusals import refused
from crmd.stored_text import encode_json
from crmd.wallclock import zone_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from crmd.context import Statements
    from crmd.due import Timetable
    from crmd.scheduling import NewSchedule, When

_SQL = load_queries("crmd.store")
STATEMENT_MAX = 5000


async def schedule(database: Statements, *new: NewSchedule) -> list[str]:
    """Make schedules in the caller's transaction, or change those of the same names; answers their ids.

    Args:
        database: An asyncpg connection or pool, or anything with its `fetch`.
        new: As many as you like; a million in steps of a few thousand.

    Raises:
        UsageError: No such job type, a name that is none, or times that cannot be read.
    """
    rows = [_row(one) for one in new]
    ids: list[str] = []
    for start in range(0, len(rows), STATEMENT_MAX):
        with _told():
            part = encode_json(rows[start : start + STATEMENT_MAX]).decode()
            ids += [row["id"] for row in await database.fetch(_SQL.schedules_save, part)]
    return ids


async def unschedule(
    database: Statements,
    name: str | None = None,
    *,
    workspace_id: UUID | None = None,
    user_id: UUID | None = None,
    connection_id: UUID | None = None,
    subject: str | None = None,
) -> int:
    """Drop the schedules, made at run time, that fit all of what is given; answers how many.

    Raises:
        UsageError: Nothing is given.
    """
    with _told():
        dropped: int = await database.fetchval(_SQL.schedules_drop, name, workspace_id, user_id, connection_id, subject)
    return dropped


async def move_subject(database: Statements, subject: str, at: datetime, *, workspace_id: UUID | None = None) -> int:
    """A subject has another time: all that fires once for it moves along. Answers how many moved.

    Args:
        database: As for `schedule`.
        subject: As it was given with the schedules.
        at: An instant, or, without an offset from UTC, a reading of the clock in each schedule's zone.
        workspace_id: Whose subject.
    """
    instant, reading = (None, at) if at.tzinfo is None else (at, None)
    with _told():
        moved: int = await database.fetchval(_SQL.schedules_move, subject, instant, workspace_id, reading)
    return moved


async def listed(
    database: Statements,
    *,
    workspace_id: UUID | None = None,
    user_id: UUID | None = None,
    after: str = "",
    limit: int = 100,
) -> Sequence[Mapping[str, Any]]:
    """Schedules by id, with their last tick; the next page begins after the last id of this one."""
    return await database.fetch(_SQL.schedule_list, workspace_id, after, limit, user_id)


async def show(database: Statements, schedule_id: str) -> Mapping[str, Any] | None:
    """One schedule, with its last tick."""
    row: Mapping[str, Any] | None = await database.fetchrow(_SQL.schedule_show, schedule_id)
    return row


async def set_paused(database: Statements, schedule_id: str, *, is_paused: bool, is_made_up: bool = False) -> bool:
    """Pause a schedule, or let it go on; False when there is none.

    Args:
        database: As for `schedule`.
        schedule_id: Its id.
        is_paused: Whether it rests from now on.
        is_made_up: Whether its rule for missed ticks decides about those of the pause; otherwise they are let go.
    """
    return await database.fetchval(_SQL.schedule_pause, schedule_id, is_paused, is_made_up) is not None


def timetable_of(row: Mapping[str, Any]) -> Timetable:
    """When the schedule of a row fires."""
    return read_timetable(row["expression"], row["timezone"], spread_id=row["id"], offset_seconds=row["offset_seconds"])


def next_ticks(row: Mapping[str, Any], count: int) -> list[datetime]:
    """The next ticks of a schedule; none for one that rests, is done or cannot be evaluated."""
    if row["error"] is not None or row["is_paused"] or row["done_at"] is not None:
        return []
    handled = max(row["now"], row["last_due_at"] or row["now"])
    return list(islice(ticks_after(timetable_of(row), handled), count))


async def booked(database: Statements, schedule_id: str, ticks: Sequence[datetime]) -> set[datetime]:
    """Those of the ticks that have fired already."""
    rows = await database.fetch(_SQL.ticks_fired, schedule_id, ticks)
    return {row["due_at"] for row in rows}


async def backfill(
    database: Statements, row: Mapping[str, Any], ticks: Sequence[datetime]
) -> Sequence[Mapping[str, Any]]:
    """Fire past ticks of the schedule of a row, due now; answers those whose job was made.

    One that fired is not fired again: its row in crmd.tick is the proof. One that was skipped fires now, and the jobs
    of a backfill may overlap.
    """
    count = len(ticks)
    previous = [None, *ticks[:-1]] if ticks else []
    return await database.fetch(_SQL.schedules_fire, [row["id"]] * count, ticks, [row["now"]] * count, previous, True)


def shown(row: Mapping[str, Any], ticks: Sequence[datetime]) -> Iterator[tuple[datetime, str, datetime]]:
    """Each tick with what the clock in the schedule's zone shows, and when its job is due."""
    zone, delay = zone_of(row["timezone"]), spread_delay(row["id"], row["spread_seconds"])
    for tick in ticks:
        yield tick, tick.astimezone(zone).strftime("%a %Y-%m-%d %H:%M:%S %Z"), tick + delay


def _row(new: NewSchedule) -> dict[str, Any]:
    times = _times(new.when)
    read_timetable(
        times["expression"], times["timezone"], spread_id=new.name, offset_seconds=times.get("offset_seconds", 0)
    )
    payload = msgspec.to_builtins(new.payload, str_keys=True)
    check_size(msgspec.json.encode(payload))
    owners = ("workspace_id", "user_id", "connection_id", "subject")
    given = {name: getattr(new, name) for name in owners if getattr(new, name) is not None}
    return {"id": new.name, "job_type": new.job_type, "payload": payload, **times, **given}


def _times(when: When) -> dict[str, Any]:
    if isinstance(when, At):
        fields = ("timezone", "offset_seconds", "catch_up", "spread_seconds")
        return {"expression": text_of(when), **{name: getattr(when, name) for name in fields}}
    return asdict(Schedule(expression=when) if isinstance(when, str) else when)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What crmd's own functions refuse, as an error for users."""
    try:
        yield
    except asyncpg.PostgresError as error:
        if isinstance(error, asyncpg.CheckViolationError | asyncpg.ForeignKeyViolationError):
            sentence = f"The schedule breaks the rule {getattr(error, 'constraint_name', '')}."
            raise UsageError(sentence, hint="See `crmd.Schedule` for what it may hold.") from error
        raise refused(error) from error

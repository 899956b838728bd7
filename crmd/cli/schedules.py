"""`crmd schedules`: list, pause and resume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crmd.cli.asking import no_such
from crmd.cli.attached import database
from crmd.cli.screen import show_record, show_rows
from crmd.cli.session import configured, in_loop, log_quietly
from crmd.due import read_timetable
from crmd.errors import ExitCode
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping
    from datetime import datetime

_SQL = load_queries("crmd.store")
TICKS = 3
COLUMNS = {
    "id": "id",
    "expression": "expression",
    "timezone": "zone",
    "is_paused": "paused",
    "last_fired_at": "last fired",
    "next_ticks": "next ticks",
    "error": "error",
}


def listed(arguments: Namespace) -> int:
    """List schedules with their next three ticks."""
    log_quietly(arguments)
    config = configured(arguments)

    async def work() -> list[dict[str, Any]]:
        async with database(config) as pool:
            return [{**row, "next_ticks": next_ticks(dict(row))} for row in await pool.fetch(_SQL.schedule_list)]

    rows = in_loop(config, work)
    if not arguments.is_json:
        rows = [{**row, "next_ticks": "  ".join(_short(tick) for tick in row["next_ticks"])} for row in rows]
    show_rows(rows, COLUMNS, is_json=arguments.is_json, empty="There are no schedules; `crmd migrate` declares them.")
    return ExitCode.OK


def pause(arguments: Namespace) -> int:
    """Let a schedule rest."""
    return _set_paused(arguments, is_paused=True)


def resume(arguments: Namespace) -> int:
    """Let a schedule go on, from its next tick."""
    return _set_paused(arguments, is_paused=False)


def _set_paused(arguments: Namespace, *, is_paused: bool) -> int:
    log_quietly(arguments)
    config = configured(arguments)

    async def work() -> None:
        async with database(config) as pool:
            if await pool.fetchval(_SQL.schedule_pause, arguments.id, is_paused, False) is None:
                known = [row["id"] for row in await pool.fetch(_SQL.schedule_list)]
                raise no_such("schedule", arguments.id, known, "See `crmd schedules`.")

    in_loop(config, work)
    show_record({"id": arguments.id, "is_paused": is_paused}, is_json=arguments.is_json)
    return ExitCode.OK


def next_ticks(row: Mapping[str, Any]) -> list[datetime]:
    """The next three ticks, by the row's own next one; none for a schedule that cannot be evaluated."""
    if row["error"] is not None or row["is_paused"]:
        return []
    timetable = read_timetable(row["expression"], row["timezone"], spread_id=row["id"])
    ticks = [row["next_due_at"]]
    while len(ticks) < TICKS:
        ticks.append(timetable.next_after(ticks[-1]))
    return ticks


def _short(tick: datetime) -> str:
    return tick.astimezone().strftime("%m-%d %H:%M")

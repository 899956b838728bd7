"""`crmd schedules`: list, show and foretell them, let them rest and go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from crmd.cli.acting import acting
from crmd.cli.asking import no_such, workspace_of
from crmd.cli.attached import on_database
from crmd.cli.screen import show_record, show_rows
from crmd.errors import ExitCode
from crmd.store import schedules
from crmd.store.schedules import next_ticks

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping
    from datetime import datetime

    from crmd.config.loading import Config
    from crmd.store.pools import Pool

TICKS = 3
COLUMNS = {
    "id": "id",
    "job_type": "job",
    "expression": "expression",
    "timezone": "zone",
    "is_paused": "paused",
    "last_fired_at": "last fired",
    "next_ticks": "next ticks",
    "error": "error",
}


def listed(arguments: Namespace) -> int:
    """List schedules with their next three ticks."""

    async def work(pool: Pool, _config: Config) -> list[dict[str, Any]]:
        workspace_id = workspace_of(arguments.workspace)
        rows = await schedules.listed(pool, workspace_id=workspace_id, after=arguments.after, limit=arguments.limit)
        return [{**row, "next_ticks": next_ticks(row, TICKS)} for row in rows]

    rows = on_database(arguments, work)
    if not arguments.is_json:
        rows = [{**row, "next_ticks": "  ".join(map(_short, row["next_ticks"]))} for row in rows]
    show_rows(rows, COLUMNS, is_json=arguments.is_json, empty="There are no schedules; `crmd migrate` declares them.")
    return ExitCode.OK


def show(arguments: Namespace) -> int:
    """Show one schedule."""

    async def work(pool: Pool, _config: Config) -> dict[str, Any]:
        row = await one(pool, arguments.id)
        return {**row, "payload": _plain(row["payload"]), "next_ticks": next_ticks(row, TICKS)}

    show_record(on_database(arguments, work), is_json=arguments.is_json)
    return ExitCode.OK


def foretell(arguments: Namespace) -> int:
    """Show the next ticks of a schedule: in UTC, on the clock of its zone, and when its job is due."""

    async def work(pool: Pool, _config: Config) -> list[dict[str, Any]]:
        row = await one(pool, arguments.id)
        return [
            {"due_at": tick, "local": local, "run_at": run_at}
            for tick, local, run_at in schedules.shown(row, next_ticks(row, arguments.count))
        ]

    rows = on_database(arguments, work)
    columns = {"due_at": "due", "local": "on its clock", "run_at": "job runs"}
    show_rows(rows, columns, is_json=arguments.is_json, empty="It has no next tick: it is paused, done or broken.")
    return ExitCode.OK


def pause(arguments: Namespace) -> int:
    """Let a schedule rest."""
    return _set_paused(arguments, is_paused=True, is_made_up=False)


def resume(arguments: Namespace) -> int:
    """Let a schedule go on, from its next tick unless the missed ones are to be made up for."""
    return _set_paused(arguments, is_paused=False, is_made_up=arguments.is_made_up)


def _set_paused(arguments: Namespace, *, is_paused: bool, is_made_up: bool) -> int:
    async def work(pool: Pool, _config: Config) -> dict[str, Any]:
        name = "schedules.pause" if is_paused else "schedules.resume"
        async with acting(pool, name, arguments.id, is_made_up=is_made_up or None):
            await schedules.set_paused(pool, arguments.id, is_paused=is_paused, is_made_up=is_made_up)
            row = await one(pool, arguments.id)
        return {"id": row["id"], "is_paused": row["is_paused"], "next_ticks": next_ticks(row, TICKS)}

    show_record(on_database(arguments, work), is_json=arguments.is_json)
    return ExitCode.OK


async def one(pool: Pool, schedule_id: str) -> Mapping[str, Any]:
    """The schedule of that id.

    Raises:
        UsageError: There is none.
    """
    row = await schedules.show(pool, schedule_id)
    if row is None:
        known = [row["id"] for row in await schedules.listed(pool)]
        raise no_such("schedule", schedule_id, known, "See `crmd schedules`.")
    return row


def _plain(payload: object) -> object:
    return msgspec.json.decode(payload) if isinstance(payload, str | bytes) else payload


def _short(tick: datetime) -> str:
    return tick.astimezone().strftime("%m-%d %H:%M")

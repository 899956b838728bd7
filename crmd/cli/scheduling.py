"""`crmd schedules add`, `remove` and `backfill`: what changes which schedules there are, and which ticks have fired."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from crmd.cli.acting import acting
from crmd.cli.asking import job_type_named, payload_of, uuid_of, workspace_of
from crmd.cli.attached import on_database
from crmd.cli.enqueue import instant_of, seconds_of
from crmd.cli.schedules import one
from crmd.cli.screen import show_record, show_rows
from crmd.cli.session import configured, in_loop, log_quietly
from crmd.composition import opened
from crmd.due import ticks_between
from crmd.errors import ExitCode, UsageError
from crmd.model import At, Schedule
from crmd.providing import known_plugins
from crmd.scheduling import NewSchedule
from crmd.store import schedules

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping
    from uuid import UUID

    from crmd.config.loading import Config
    from crmd.store.pools import Pool

COLUMNS = {"due_at": "due", "answer": "answer", "job_id": "job"}


def add(arguments: Namespace) -> int:
    """Make a schedule, or change the one of that name."""
    log_quietly(arguments)
    config = configured(arguments)
    job_type = job_type_named(known_plugins(config), arguments.job_type)
    payload = payload_of(arguments.payload)
    connection_id = uuid_of(arguments.connection, "a connection")
    if connection_id is not None and job_type.connection is not None:
        payload = {job_type.connection: str(connection_id), **payload}
    payload = msgspec.json.decode(job_type.encode(payload))
    new = NewSchedule(
        name=arguments.name,
        job_type=job_type.name,
        when=_when(arguments),
        payload=payload,
        workspace_id=workspace_of(arguments.workspace),
        user_id=uuid_of(arguments.user, "a user"),
        connection_id=connection_id,
        subject=arguments.subject,
    )

    async def work() -> Mapping[str, Any]:
        async with opened(config) as everything:
            pool = everything.pools.plugins
            details = {"job_type": new.job_type, "when": arguments.when, "timezone": arguments.timezone}
            async with acting(pool, "schedules.add", new.name, workspace_id=new.workspace_id, **details):
                [schedule_id] = await schedules.schedule(pool, new)
            return await one(pool, schedule_id)

    row = in_loop(config, work)
    record = {name: row[name] for name in ("id", "job_type", "expression", "timezone", "is_paused")}
    show_record(record, is_json=arguments.is_json)
    return ExitCode.OK


def remove(arguments: Namespace) -> int:
    """Drop a schedule that was made at run time."""

    async def work(pool: Pool, _config: Config) -> None:
        workspace, _, name = arguments.id.rpartition("/")
        async with acting(pool, "schedules.remove", arguments.id):
            if not await _drop(pool, name, workspace):
                row = await one(pool, arguments.id)
                hint = f"Pause it, or set jobs.{row['job_type']}.enabled to false."
                raise UsageError(f"The schedule {arguments.id} is declared by a plugin.", hint=hint)

    on_database(arguments, work)
    show_record({"id": arguments.id, "state": "removed"}, is_json=arguments.is_json)
    return ExitCode.OK


def backfill(arguments: Namespace) -> int:
    """Fire the ticks of a window that is over and that have not fired, or tell them alone."""
    after, before = instant_of(arguments.after), instant_of(arguments.before)
    proofs = timedelta(days=configured(arguments).retention.tick_days)

    async def work(pool: Pool, _config: Config) -> list[dict[str, Any]]:
        row = await one(pool, arguments.id)
        _check_window(row["now"], after, before, proofs)
        ticks = ticks_between(schedules.timetable_of(row), after, before, arguments.max)
        done = await schedules.booked(pool, arguments.id, ticks)
        if arguments.is_dry_run:
            return [_answer(tick, "fired already" if tick in done else "would fire") for tick in ticks]
        window = {"after": after, "before": before}
        async with acting(
            pool, "schedules.backfill", arguments.id, workspace_id=row["workspace_id"], **window
        ) as found:
            made = {fired["due_at"]: fired["job_id"] for fired in await schedules.backfill(pool, row, ticks)}
            found["fired"] = len(made)
        return [_answer(tick, "fired" if tick in made else "fired already", made.get(tick)) for tick in ticks]

    rows = on_database(arguments, work)
    show_rows(rows, COLUMNS, is_json=arguments.is_json, empty="The schedule has no tick in this window.")
    return ExitCode.OK


def _answer(tick: datetime, answer: str, job_id: UUID | None = None) -> dict[str, Any]:
    return {"due_at": tick, "answer": answer, "job_id": job_id}


def _check_window(now: datetime, after: datetime, before: datetime, proofs: timedelta) -> None:
    if before <= after:
        raise UsageError("The window ends before it begins.", hint="Give --from and then --to.")
    if before > now:
        raise UsageError("The window reaches into the future.", hint="What is to come fires by itself.")
    if after < now - proofs:
        raise UsageError(
            f"The window begins more than {proofs.days} days ago, and older proofs of what fired are not kept.",
            hint="Begin later; retention.tick_days keeps them longer from now on.",
        )


async def _drop(pool: Pool, name: str, workspace: str) -> int:
    try:
        workspace_id = uuid_of(workspace, "a workspace")
    except UsageError:  # the name of a plugin
        return 0
    return await schedules.unschedule(pool, name, workspace_id=workspace_id)


def _when(arguments: Namespace) -> Schedule | At:
    spread_seconds = seconds_of(arguments.spread) if arguments.spread else 0
    offset_seconds = _offset_seconds(arguments)
    if arguments.when.lower().startswith("at "):
        return At(
            at=_reading(arguments.when[3:].strip()),
            timezone=arguments.timezone,
            offset_seconds=offset_seconds,
            catch_up=arguments.catch_up,
            spread_seconds=spread_seconds,
        )
    if offset_seconds:
        raise UsageError("Only what fires once fires before or after something.", hint="Write `at 2026-03-01T09:00`.")
    return Schedule(
        expression=arguments.when,
        timezone=arguments.timezone,
        catch_up=arguments.catch_up,
        catch_up_max=arguments.catch_up_max,
        overlap=arguments.overlap,
        spread_seconds=spread_seconds,
    )


def _offset_seconds(arguments: Namespace) -> int:
    if arguments.lead:
        return -seconds_of(arguments.lead)
    return seconds_of(arguments.lag) if arguments.lag else 0


def _reading(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no time.", hint="Write for instance `at 2026-03-01T09:00`.") from None

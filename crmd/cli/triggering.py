"""`crmd events triggers`, `trigger` and `untrigger`: which events start which jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

from crmd.cli.acting import acting
from crmd.cli.attached import on_database
from crmd.cli.enqueue import seconds_of
from crmd.cli.screen import show_record, show_rows
from crmd.errors import CrmdError, ExitCode, UsageError
from crmd.store.queries import load_queries
from crmd.store.refusals import refused
from crmd.trigger import Trigger

if TYPE_CHECKING:
    from argparse import Namespace

    from crmd.config.loading import Config
    from crmd.store.pools import Pool

_SQL = load_queries("crmd.store")
COLUMNS = {
    "event_type": "event",
    "job_type": "job",
    "gives": "gives",
    "condition": "when",
    "delay_seconds": "delay",
    "priority": "priority",
    "dedup": "dedup",
    "origin": "made by",
}


def listed(arguments: Namespace) -> int:
    """List which events start which jobs."""

    async def work(pool: Pool, _config: Config) -> int:
        rows = [dict(row) for row in await pool.fetch(_SQL.trigger_list, arguments.job)]
        show_rows(rows, COLUMNS, is_json=arguments.is_json, empty="No event starts a job.")
        return ExitCode.OK

    return on_database(arguments, work)


def add(arguments: Namespace) -> int:
    """Let events start jobs from now on."""
    event = Trigger(event=arguments.event_type).event

    async def work(pool: Pool, _config: Config) -> int:
        delay = 0 if arguments.delay is None else seconds_of(arguments.delay)
        about = {"event": event, "when": arguments.when, "priority": arguments.priority}
        async with acting(pool, "events.trigger", arguments.job_type, **about):
            try:
                await pool.execute(
                    _SQL.trigger_add,
                    event,
                    arguments.job_type,
                    arguments.when,
                    float(delay),
                    arguments.priority,
                    arguments.dedup,
                    None if arguments.max_delay is None else float(seconds_of(arguments.max_delay)),
                )
            except asyncpg.PostgresSyntaxError as error:
                raise UsageError(
                    f"The condition cannot be read: {error}.", hint="Write for instance '$.amount > 100'."
                ) from None
            except asyncpg.PostgresError as error:
                raise refused(error) from None
        show_record({"event": event, "job": arguments.job_type}, is_json=arguments.is_json)
        return ExitCode.OK

    return on_database(arguments, work)


def remove(arguments: Namespace) -> int:
    """Take back a trigger that was added at run time."""

    async def work(pool: Pool, _config: Config) -> int:
        async with acting(pool, "events.untrigger", arguments.job_type, event=arguments.event_type):
            if not await pool.fetchval(_SQL.trigger_remove, arguments.event_type, arguments.job_type):
                raise CrmdError(
                    f"No trigger that was added starts {arguments.job_type} on {arguments.event_type}.",
                    hint="See `crmd events triggers`; those of plugins go with their plugin.",
                )
        show_record({"event": arguments.event_type, "job": arguments.job_type}, is_json=arguments.is_json)
        return ExitCode.OK

    return on_database(arguments, work)

"""`crmd events parked`, `retry` and `dismiss`: events that a handler keeps failing at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crmd.cli.acting import acting
from crmd.cli.attached import on_database
from crmd.cli.events import event_id_of
from crmd.cli.screen import show_record, show_rows
from crmd.errors import CrmdError, ExitCode
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from argparse import Namespace
    from uuid import UUID

    from crmd.config.loading import Config
    from crmd.store.pools import Pool

_SQL = load_queries("crmd.store")
COLUMNS = {
    "handler": "handler",
    "event_id": "event",
    "type": "type",
    "status": "status",
    "attempt": "attempts",
    "parked_at": "parked",
    "message": "last error",
}
RETRIED_MAX = 10_000


def parked(arguments: Namespace) -> int:
    """List events that a handler keeps failing at, newest first."""

    async def work(pool: Pool, _config: Config) -> int:
        rows = await pool.fetch(_SQL.events_parked, arguments.handler, max(arguments.limit, 1))
        show_rows([dict(row) for row in rows], COLUMNS, is_json=arguments.is_json, empty="No event is parked.")
        return ExitCode.OK

    return on_database(arguments, work)


def retry(arguments: Namespace) -> int:
    """Hand parked events to their handler again: one, or all of them."""

    async def work(pool: Pool, _config: Config) -> int:
        wanted = None if arguments.id is None else await event_id_of(pool, arguments.id)
        rows = await pool.fetch(_SQL.events_parked, arguments.handler, RETRIED_MAX)
        ids = [row["event_id"] for row in rows if wanted in {None, row["event_id"]}]
        if not ids:
            raise _none_parked(arguments)
        async with acting(pool, "events.retry", arguments.handler, event=wanted) as found:
            found["events"] = await pool.fetchval(_SQL.event_redeliver, arguments.handler, ids, 0.0, True)
        show_record({"handler": arguments.handler, "events": found["events"]}, is_json=arguments.is_json)
        return ExitCode.OK

    return on_database(arguments, work)


def dismiss(arguments: Namespace) -> int:
    """Let a parked event be; what waits behind it in order goes on."""

    async def work(pool: Pool, _config: Config) -> int:
        event_id = await event_id_of(pool, arguments.id)
        rows: list[Any] = await pool.fetch(_SQL.events_parked, arguments.handler, RETRIED_MAX)
        if event_id not in {row["event_id"] for row in rows}:
            raise _none_parked(arguments)
        await _dismiss(pool, arguments.handler, event_id)
        show_record({"handler": arguments.handler, "dismissed": event_id}, is_json=arguments.is_json)
        return ExitCode.OK

    return on_database(arguments, work)


async def _dismiss(pool: Pool, handler: str, event_id: UUID) -> None:
    async with acting(pool, "events.dismiss", handler, event=event_id):
        await pool.fetchval(_SQL.event_dismiss, handler, event_id)


def _none_parked(arguments: Namespace) -> CrmdError:
    return CrmdError(f"No such event is parked for {arguments.handler}.", hint="See `crmd events parked`.")

"""`crmd events`: list, show, and the chain that an event belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crmd.cli.asking import bounds_of, only_one, uuid_of, workspace_of
from crmd.cli.attached import on_database
from crmd.cli.enqueue import instant_of
from crmd.cli.screen import clean, emit_json, output, show_record, show_rows
from crmd.errors import ExitCode, UsageError
from crmd.store.events import EventFilter
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from crmd.config.loading import Config
    from crmd.store.pools import Pool

_SQL = load_queries("crmd.store")
COLUMNS = {
    "seq": "seq",
    "id": "id",
    "emitted_at": "emitted",
    "type": "type",
    "workspace_id": "workspace",
    "data": "data",
}
DELIVERIES = {"handler": "handler", "job_id": "job", "status": "status", "attempt": "attempt", "message": "last error"}
TRACE_MAX = 1000


def listed(arguments: Namespace) -> int:
    """List events, newest first."""

    async def work(pool: Pool, _config: Config) -> int:
        before = None if arguments.before is None else await event_id_of(pool, arguments.before)
        rows = await pool.fetch(_SQL.event_list, *filter_of(arguments).parameters(), before, max(arguments.limit, 1))
        show_rows([dict(row) for row in rows], COLUMNS, is_json=arguments.is_json, empty="There are no such events.")
        return ExitCode.OK

    return on_database(arguments, work)


def show(arguments: Namespace) -> int:
    """Show one event, and to whom it was handed."""

    async def work(pool: Pool, _config: Config) -> int:
        event_id = await event_id_of(pool, arguments.id)
        event = dict(await pool.fetchrow(_SQL.event_show, event_id) or {})
        deliveries = [dict(row) for row in await pool.fetch(_SQL.event_deliveries, event_id)]
        if arguments.is_json:
            show_record({**event, "deliveries": deliveries}, is_json=True)
            return ExitCode.OK
        show_record({name: value for name, value in event.items() if value is not None}, is_json=False)
        if deliveries:
            show_rows(deliveries, DELIVERIES, is_json=False, empty="")
        return ExitCode.OK

    return on_database(arguments, work)


def trace(arguments: Namespace) -> int:
    """Show the chain of events and jobs that an event or job belongs to."""

    async def work(pool: Pool, _config: Config) -> int:
        wanted = uuid_of(arguments.id, "an event or a job")
        rows = [dict(row) for row in await pool.fetch(_SQL.event_trace, wanted, TRACE_MAX)]
        if not rows:
            raise UsageError(f"There is no event or job {arguments.id}.", hint="See `crmd events list`.")
        if arguments.is_json:
            emit_json(rows)
            return ExitCode.OK
        for depth, row in tree_of(rows):
            status = f"  {row['status']}" if row["status"] else ""
            mark = "* " if row["id"] == wanted else ""
            output().print(
                clean(f"{'   ' * depth}{row['kind']} {mark}{row['type']}  {row['id']}{status}"), soft_wrap=True
            )
        return ExitCode.OK

    return on_database(arguments, work)


def tree_of(rows: Sequence[Mapping[str, Any]]) -> list[tuple[int, Mapping[str, Any]]]:
    """Each row with its depth, causes before what follows from them. A row whose cause is gone begins anew."""
    known = {str(row["id"]) for row in rows}
    below: dict[str | None, list[Mapping[str, Any]]] = {}
    for row in rows:
        below.setdefault(row["cause"] if row["cause"] in known else None, []).append(row)
    ordered: list[tuple[int, Mapping[str, Any]]] = []
    waiting = [(0, row) for row in reversed(below.pop(None, []))]
    while waiting:
        depth, row = waiting.pop()
        ordered.append((depth, row))
        waiting += [(depth + 1, child) for child in reversed(below.pop(str(row["id"]), []))]
    return ordered


def filter_of(arguments: Namespace) -> EventFilter:
    """The filter that the flags describe.

    Raises:
        UsageError: An id or a time does not fit.
    """
    kind, slash, aggregate_id = (arguments.aggregate or "").partition("/")
    return EventFilter(
        types=arguments.type,
        workspace_id=workspace_of(arguments.workspace),
        user_id=uuid_of(arguments.user, "a user"),
        aggregate_type=kind or None,
        aggregate_id=aggregate_id if slash else None,
        since=None if arguments.since is None else instant_of(arguments.since),
        before=None if arguments.until is None else instant_of(arguments.until),
    )


async def event_id_of(pool: Pool, prefix: str) -> UUID:
    """The event whose id begins so.

    Raises:
        UsageError: There is none, or more than one.
    """
    rows = await pool.fetch(_SQL.event_ids_like, *bounds_of(prefix, "event"))
    found: UUID = only_one(rows, prefix, "event")["id"]
    return found

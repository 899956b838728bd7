"""`crmd events replay` and `crmd events projections`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.cli.acting import acting, confirm
from crmd.cli.asking import no_such
from crmd.cli.attached import on_database
from crmd.cli.events import filter_of
from crmd.cli.screen import say, show_record, show_rows
from crmd.errors import ExitCode, UsageError
from crmd.events import replaying
from crmd.store.events import EventFilter, settled_seq
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from crmd.config.loading import Config
    from crmd.store.pools import Pool

_SQL = load_queries("crmd.store")
COLUMNS = {"type": "type", "events": "events", "delivered": "had already", "first_at": "first", "last_at": "last"}
PROJECTIONS = {
    "name": "name",
    "generation": "generation",
    "state": "state",
    "seq": "folded to",
    "behind": "behind",
    "folded_at": "last fold",
    "error": "error",
}


def run(arguments: Namespace) -> int:
    """Hand past events to a handler, or have a projection rebuilt."""

    async def work(pool: Pool, _config: Config) -> int:
        events = await replaying.heard_by(pool, arguments.to)
        if events is not None:
            return await _replay(pool, arguments, events)
        rows = await pool.fetch(_SQL.projection_list, 0)
        if arguments.to not in {row["name"] for row in rows}:
            known = [*(row["name"] for row in rows), *(row["handler"] for row in await pool.fetch(_SQL.event_handlers))]
            raise no_such(
                "handler or projection",
                arguments.to,
                known,
                "See `crmd events triggers` and `crmd events projections`.",
            )
        return await _rebuild(pool, arguments)

    return on_database(arguments, work)


def projections(arguments: Namespace) -> int:
    """List projections and how far they have come."""

    async def work(pool: Pool, _config: Config) -> int:
        rows = [dict(row) for row in await pool.fetch(_SQL.projection_list, await settled_seq(pool))]
        show_rows(rows, PROJECTIONS, is_json=arguments.is_json, empty="No plugin declares a projection.")
        return ExitCode.OK

    return on_database(arguments, work)


async def _replay(pool: Pool, arguments: Namespace, events: Sequence[str]) -> int:
    wanted = replaying.narrowed(filter_of(arguments), events, arguments.to)
    rows = [dict(row) for row in await replaying.matches(pool, arguments.to, wanted)]
    count = sum(row["events"] - (0 if arguments.is_forced else row["delivered"]) for row in rows)
    if arguments.is_dry_run:
        show_rows(rows, COLUMNS, is_json=arguments.is_json, empty="There are no such events.")
        return ExitCode.OK
    if count:
        confirm(arguments, f"Hand {count:,} events to {arguments.to}?")
    made = 0
    async with acting(pool, "events.replay", arguments.to, events=count, again=arguments.is_forced) as found:
        async for passed, made in replaying.replay(
            pool, arguments.to, wanted, is_forced=arguments.is_forced, per_second=arguments.per_second
        ):
            say(f"{passed:,} events passed, {made:,} jobs made")
        found["jobs"] = made
    show_record({"handler": arguments.to, "jobs": made}, is_json=arguments.is_json)
    return ExitCode.OK


async def _rebuild(pool: Pool, arguments: Namespace) -> int:
    if filter_of(arguments) != EventFilter() or arguments.is_forced or arguments.per_second is not None:
        raise UsageError(
            f"{arguments.to} is a projection, which is rebuilt from all events.", hint="Leave the filters out."
        )
    if arguments.is_dry_run:
        rows = [dict(row) for row in await replaying.matches(pool, arguments.to, EventFilter())]
        show_rows(rows, COLUMNS, is_json=arguments.is_json, empty="There are no events.")
        return ExitCode.OK
    confirm(arguments, f"Rebuild {arguments.to} from the oldest event that is kept?")
    async with acting(pool, "events.rebuild", arguments.to), pool.acquire() as connection, connection.transaction():
        await connection.execute(_SQL.projection_overtake, arguments.to, None)
        generation = await connection.fetchval(_SQL.projection_rebuild, arguments.to)
    say("The daemons build it beside the rows that are read; `crmd events projections` shows how far they are.")
    show_record({"projection": arguments.to, "generation": generation}, is_json=arguments.is_json)
    return ExitCode.OK

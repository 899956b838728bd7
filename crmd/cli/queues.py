"""`crmd queues`: list them with what runs and waits; pause, resume and resize them live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crmd.cli import tuning
from crmd.cli.asking import no_such
from crmd.cli.screen import show_rows
from crmd.cli.session import configured
from crmd.errors import ExitCode, UsageError
from crmd.store import tuning as store

if TYPE_CHECKING:
    from argparse import Namespace

    from crmd.store.pools import Pool

COLUMNS = {
    "queue": "queue",
    "state": "state",
    "running": "running",
    "due": "due",
    "scheduled": "scheduled",
    "daemons": "daemons",
    "slots": "slots",
    "slots_fleet": "fleet",
    "why": "why",
}


def listed(arguments: Namespace) -> int:
    """List queues."""
    configured_slots = {name: queue.slots for name, queue in configured(arguments).queues.items()}

    async def work(pool: Pool) -> list[dict[str, Any]]:
        return [_shown(dict(row), configured_slots) for row in await store.queues(pool, list(configured_slots))]

    show_rows(tuning.with_database(arguments, work), COLUMNS, is_json=arguments.is_json, empty="There are no queues.")
    return ExitCode.OK


def _shown(row: dict[str, Any], configured_slots: dict[str, int]) -> dict[str, Any]:
    is_set = row["slots_set"] is not None or row["slots_fleet_set"] is not None
    until = "" if row["paused_until"] is None else f" until {row['paused_until'].astimezone():%m-%d %H:%M:%S}"
    return {
        **row,
        "state": f"paused{until}" if row["is_paused"] else "open",
        "slots": row["slots_set"] or configured_slots.get(row["queue"]),
        "is_set": is_set,
        "why": row["pause_reason"] if row["is_paused"] else f"set: {row['reason']}" if is_set else "",
    }


def pause(arguments: Namespace) -> int:
    """Let a queue rest."""
    return tuning.pause(arguments, "queues", _key(arguments))


def resume(arguments: Namespace) -> int:
    """Let a queue go on."""
    return tuning.resume(arguments, "queues", _key(arguments))


def resize(arguments: Namespace) -> int:
    """Give a queue more or less room."""
    for name, value in (("--slots", arguments.slots), ("--fleet", arguments.fleet)):
        if value is not None and value < 1:
            raise UsageError(f"{name} {value} leaves no room.", hint="To stop a queue, pause it.")
    return tuning.change(arguments, "queues", _key(arguments), {"slots": arguments.slots, "most": arguments.fleet})


def _key(arguments: Namespace) -> str:
    known = configured(arguments).queues
    if arguments.queue not in known:
        raise no_such("queue", arguments.queue, known, "`crmd queues` lists them.")
    return f"queue:{arguments.queue}"

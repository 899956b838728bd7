"""`crmd queues list`: what runs and waits in each, its slots, and whether it rests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crmd.cli.attached import on_database
from crmd.cli.screen import show_rows
from crmd.cli.session import configured
from crmd.errors import ExitCode
from crmd.store import tuning

if TYPE_CHECKING:
    from argparse import Namespace

    from crmd.config.loading import Config
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

    async def work(pool: Pool, _config: Config) -> list[dict[str, Any]]:
        return [_shown(dict(row), configured_slots) for row in await tuning.queues(pool, list(configured_slots))]

    show_rows(on_database(arguments, work), COLUMNS, is_json=arguments.is_json, empty="There are no queues.")
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

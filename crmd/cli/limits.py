"""`crmd limits`: list limits with what runs and waits; set, weigh, pause and resume keys live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crmd.cli import tuning
from crmd.cli.screen import show_rows
from crmd.errors import ExitCode, UsageError
from crmd.store import tuning as store

if TYPE_CHECKING:
    from argparse import Namespace

    from crmd.store.pools import Pool

WEIGHT_MAX = 1000.0
COLUMNS = {
    "key": "key",
    "max": "max",
    "set_by": "from",
    "running": "running",
    "fullest": "fullest",
    "waiting": "waiting",
    "weight": "weight",
    "state": "state",
    "why": "why",
}


def listed(arguments: Namespace) -> int:
    """List limits, and keys that are set, paused or closed."""

    async def work(pool: Pool) -> list[dict[str, Any]]:
        return [_shown(dict(row)) for row in await store.limits(pool)]

    empty = "No limit is declared, and no key is set, paused or closed."
    show_rows(tuning.with_database(arguments, work), COLUMNS, is_json=arguments.is_json, empty=empty)
    return ExitCode.OK


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    until = "" if row["closed_until"] is None else f" until {row['closed_until'].astimezone():%m-%d %H:%M:%S}"
    return {
        **row,
        "set_by": "operator" if row["is_set"] else "" if row["max"] is None else "declared",
        "state": f"closed{until}" if row["is_closed"] else "open",
        "why": row["why_closed"] if row["is_closed"] else row["reason"] or "",
    }


def pause(arguments: Namespace) -> int:
    """Let a key rest."""
    return tuning.pause(arguments, "limits", tuning.checked(arguments.key))


def resume(arguments: Namespace) -> int:
    """Let a key go on."""
    return tuning.resume(arguments, "limits", tuning.checked(arguments.key))


def set_set(arguments: Namespace) -> int:
    """Set how many jobs of a key run at a time."""
    if arguments.value is not None and arguments.value < 0:
        raise UsageError("A limit is not below zero.", hint="0 lets none start; `crmd limits pause` says why, too.")
    return tuning.change(arguments, "limits", tuning.checked(arguments.key), {"most": arguments.value})


def set_weight(arguments: Namespace) -> int:
    """Set a key's share of the turns."""
    if arguments.value is not None and not 1 / WEIGHT_MAX <= arguments.value <= WEIGHT_MAX:
        raise UsageError(f"A weight is between 0.001 and {WEIGHT_MAX:g}.", hint="1 is everybody's.")
    return tuning.change(arguments, "limits", tuning.checked(arguments.key), {"weight": arguments.value})

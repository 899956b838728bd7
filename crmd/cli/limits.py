"""`crmd limits list`: every limit with what runs and waits, and every key that is set, paused or closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crmd.cli.attached import on_database
from crmd.cli.screen import show_rows
from crmd.errors import ExitCode
from crmd.store import tuning

if TYPE_CHECKING:
    from argparse import Namespace

    from crmd.config.loading import Config
    from crmd.store.pools import Pool

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

    async def work(pool: Pool, _config: Config) -> list[dict[str, Any]]:
        return [_shown(dict(row)) for row in await tuning.limits(pool)]

    empty = "No limit is declared, and no key is set, paused or closed."
    show_rows(on_database(arguments, work), COLUMNS, is_json=arguments.is_json, empty=empty)
    return ExitCode.OK


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    until = "" if row["closed_until"] is None else f" until {row['closed_until'].astimezone():%m-%d %H:%M:%S}"
    return {
        **row,
        "set_by": "operator" if row["is_set"] else "" if row["max"] is None else "declared",
        "state": f"closed{until}" if row["is_closed"] else "open",
        "why": row["why_closed"] if row["is_closed"] else row["reason"] or "",
    }

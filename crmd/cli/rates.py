"""`crmd rates`: how fast the outside is asked, what keeps it from being asked, and opening a gate by hand."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from crmd.cli.acting import acting
from crmd.cli.asking import no_such
from crmd.cli.attached import on_database
from crmd.cli.screen import show_record, show_rows
from crmd.errors import ExitCode, UsageError
from crmd.store import gates, limits

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    from crmd.config.loading import Config
    from crmd.store.pools import Pool

RATES = {
    "name": "rate",
    "declared": "declared",
    "now": "now",
    "units_left": "units left",
    "slowed_for": "slowed by",
}
GATES = {"key": "gate", "opens": "opens", "reason": "reason"}


def listed(arguments: Namespace) -> int:
    """List the shared rates as they stand."""

    async def work(pool: Pool, _: Config) -> int:
        rows = [_told(dict(row)) for row in await limits.list_rates(pool)]
        show_rows(rows, RATES, is_json=arguments.is_json, empty="No rate has been used yet.")
        return ExitCode.OK

    return on_database(arguments, work)


def closed(arguments: Namespace) -> int:
    """List the gates that are closed now."""

    async def work(pool: Pool, _: Config) -> int:
        rows = [{**asdict(gate), "opens": _opens(gate)} for gate in await gates.closed_gates(pool)]
        show_rows(rows, GATES, is_json=arguments.is_json, empty="Every gate is open.")
        return ExitCode.OK

    return on_database(arguments, work)


def set_open(arguments: Namespace) -> int:
    """Open a gate; what waits behind it goes on."""
    if arguments.key.startswith("connection/"):
        raise UsageError(
            "That is the gate of a connection.", hint="See `crmd connections`: enable it, or consent again."
        )

    async def work(pool: Pool, _: Config) -> int:
        known = [gate.key for gate in await gates.closed_gates(pool)]
        if arguments.key not in known:
            raise no_such("closed gate", arguments.key, known, "See `crmd rates gates`.")
        async with acting(pool, "rates.open", arguments.key):
            await gates.reopen(pool, arguments.key)
        show_record({"key": arguments.key, "state": "open"}, is_json=arguments.is_json)
        return ExitCode.OK

    return on_database(arguments, work)


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row, its speeds in words that people read."""
    return {
        **row,
        "units_left": round(row["units_left"], 1),
        "declared": f"{row['units_per_second']:g}/s, burst {row['burst']:g}",
        "now": f"{row['pace']:.0%}",
    }


def _opens(gate: gates.Closed) -> str:
    return "by hand" if gate.wait_seconds is None else f"in {gate.wait_seconds:.0f} s"

"""`crmd plugins release`, and what the list of plugins tells of the trouble that each has made."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from crmd.cli.acting import acting
from crmd.cli.attached import database, on_database
from crmd.cli.screen import show_record
from crmd.cli.session import in_loop
from crmd.errors import CrmdError, ExitCode, UsageError
from crmd.store import blame

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Mapping

    from crmd.config.loading import Config
    from crmd.store.pools import Pool

DAYS = 7
CLASSES_SHOWN = 3


def release(arguments: Namespace) -> int:
    """Let the jobs of a quarantined plugin run again."""

    async def work(pool: Pool, _config: Config) -> int:
        async with acting(pool, "plugins.release", arguments.name):
            is_released = await blame.release(pool, arguments.name)
        if not is_released:
            raise UsageError(f"The plugin {arguments.name} is not quarantined.", hint="See `crmd plugins`.")
        show_record({"plugin": arguments.name, "state": "released"}, is_json=arguments.is_json)
        return ExitCode.OK

    return on_database(arguments, work)


def accounts_of(config: Config) -> dict[str, dict[str, Any]]:
    """What each plugin did in the last days, by its name; nothing where there is no database yet, or it is away."""
    if config.database.dsn is None and not (config.state_dir / "postgres").exists():
        return {}

    async def read() -> dict[str, dict[str, Any]]:
        async with database(config) as pool:
            return {row["plugin"]: dict(row) for row in await blame.listed(pool, DAYS)}

    try:
        return in_loop(config, read)
    except CrmdError:  # the list of plugins is of use without it, and `crmd doctor` tells what is wrong
        return {}


def with_account(row: Mapping[str, Any], account: Mapping[str, Any] | None) -> dict[str, Any]:
    """A plugin's row of the list with its account; a quarantine is its state."""
    if account is None:
        return {**row, "blame": None}
    told = {name: _plain(value) for name, value in account.items() if name != "plugin"}
    if account["quarantine_reason"] is None:
        return {**row, "blame": told}
    reason = f"{account['quarantine_reason']}; one job tries after {account['probe_at']:%H:%M} UTC"
    return {**row, "state": "quarantined", "reason": reason, "blame": told}


def trouble(account: Mapping[str, Any] | None) -> str:
    """An account in a few words; empty when all was well."""
    return "" if account is None else ", ".join(_trouble(account))


def _trouble(account: Mapping[str, Any]) -> Iterator[str]:
    if account["crashes"]:
        yield f"{account['crashes']} crashes"
    if account["stalls"]:
        yield f"{account['stalls']} stalls up to {account['stall_seconds']:.1f} s"
    if account["abandoned"]:
        yield f"{account['abandoned']} abandoned"
    if account["held"]:
        yield f"{account['held']} connections held up to {account['held_seconds']:.0f} s"
    if account["growth_mib"]:
        yield f"{account['growth_mib']} MiB more"
    errors = sorted(account["errors"].items(), key=lambda item: -item[1])
    if errors:
        names = ", ".join(f"{name} {count}" for name, count in errors[:CLASSES_SHOWN])
        yield f"{sum(count for _, count in errors)} errors ({names})"


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a column holds
    return value.isoformat() if isinstance(value, datetime) else value

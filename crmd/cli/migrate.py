"""`crmd migrate`: brings the database up to date, and says what was applied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.cli.screen import say, show_rows
from crmd.cli.session import configured, in_loop, log_quietly
from crmd.composition import prepare
from crmd.errors import ExitCode
from crmd.loaded import Loaded, load_plugins
from crmd.reaching import reached
from crmd.store.migrate import ledger, read_migrations
from crmd.store.pools import open_pools

if TYPE_CHECKING:
    from argparse import Namespace

    from crmd.store.migrate import Migration
    from crmd.store.pools import Pools

COLUMNS = {"of": "of", "migration": "migration", "state": "state"}


def run(arguments: Namespace) -> int:
    """Apply what is missing, or only show it."""
    log_quietly(arguments)
    config = configured(arguments)
    loaded = load_plugins(config)

    async def work() -> tuple[list[Migration], Loaded]:
        async with reached(config) as server, open_pools(server) as pools:
            missing = await _missing(pools, loaded)
            return missing, loaded if arguments.is_dry_run else await prepare(pools, config, loaded)

    missing, prepared = in_loop(config, work)
    state = "missing" if arguments.is_dry_run else "applied"
    refused = {broken.name: broken.reason for broken in prepared.registry.broken}
    rows = [
        {
            "of": migration.namespace,
            "migration": f"{migration.number:04d}_{migration.name}",
            "state": "failed" if migration.namespace in refused else state,
        }
        for migration in missing
    ]
    show_rows(rows, COLUMNS, is_json=arguments.is_json, empty="The database is up to date.")
    for name, reason in refused.items():
        say(f"crmd: plugin {name}: {reason}")
    return ExitCode.FAILED if any(row["state"] == "failed" for row in rows) else ExitCode.OK


async def _missing(pools: Pools, loaded: Loaded) -> list[Migration]:
    async with pools.control.acquire() as connection:
        known = await ledger(connection)
    packages = [("crmd", "crmd.store"), *((plugin.name, plugin.package) for plugin in loaded.registry.plugins)]
    every = [migration for name, package in packages for migration in read_migrations(name, package)]
    return [migration for migration in every if (migration.namespace, migration.number) not in known]

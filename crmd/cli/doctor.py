"""`crmd doctor`: looks at everything that crmd stands on, and says how to mend what is wrong."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from crmd.cli import diagnosis
from crmd.cli.finding import Finding
from crmd.cli.screen import say, show_rows
from crmd.cli.session import in_loop, log_quietly, overrides_of
from crmd.config.loading import check_config
from crmd.connections.master_key import load_keys
from crmd.errors import CrmdError, ExitCode
from crmd.loaded import Loaded, check_names, load_plugins
from crmd.reaching import reached
from crmd.store import overview
from crmd.store.gates import closed_gates
from crmd.store.migrate import ledger, read_migrations
from crmd.store.pools import is_pooled, open_pools
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import AsyncIterator, Iterator

    from crmd.config.loading import Config
    from crmd.store.pools import Pools

_SQL = load_queries("crmd.store")
COLUMNS = {"state": "state", "about": "about", "found": "found", "fix": "what to do"}
LATENCY_SAMPLES = 5
OTHERS_MAY_WRITE = 0o022


def run(arguments: Namespace) -> int:
    """Look, and list every finding."""
    log_quietly(arguments, "critical")
    path = None if arguments.config is None else Path(arguments.config)
    config, problems = check_config(path, os.environ, overrides_of(arguments))
    found = [Finding(problem.where, "broken", problem.sentence, "Mend it in that place.") for problem in problems]
    if config is not None:
        found += _all_findings(config)
    show_rows([asdict(finding) for finding in found], COLUMNS, is_json=arguments.is_json)
    broken = sum(finding.state == "broken" for finding in found)
    warnings = sum(finding.state == "warning" for finding in found)
    say(f"{broken} broken, {warnings} to look at, {len(found) - broken - warnings} well.")
    return ExitCode.FAILED if broken else ExitCode.OK


def _all_findings(config: Config) -> list[Finding]:
    loaded = load_plugins(config)
    place = str(config.path) if config.path is not None else "built-in settings, there is no crmd.toml"
    found = [Finding("configuration", "ok", f"Read: {place}."), *_of_plugins(config, loaded), *_of_state(config)]

    async def work() -> list[Finding]:
        return [finding async for finding in _of_database(config, loaded)]

    try:
        found += in_loop(config, work)
    except CrmdError as error:
        found.append(Finding("database", "broken", error.sentence, error.hint))
    return found


def _of_plugins(config: Config, loaded: Loaded) -> Iterator[Finding]:
    for plugin in loaded.registry.plugins:
        yield Finding(f"plugin {plugin.name}", "ok", f"{plugin.distribution}, {len(plugin.job_types)} job types.")
    for broken in loaded.registry.broken:
        yield Finding(f"plugin {broken.name}", "broken", broken.reason, "Mend it, or take it out of plugins.enabled.")
    for sentence in check_names(config, loaded):
        yield Finding("configuration", "warning", sentence, "Mend the name; `crmd plugins` lists them.")


def _of_state(config: Config) -> Iterator[Finding]:
    """The folder of data and keys."""
    folder = config.state_dir
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not os.access(there, os.W_OK):
        fix = "Give the daemon's user the right, or set daemon.state_dir."
        yield Finding("state folder", "broken", f"{there} cannot be written.", fix)
    elif folder.exists() and folder.stat().st_mode & OTHERS_MAY_WRITE:
        yield Finding("state folder", "broken", f"Others may write to {folder}.", f"Run: chmod go-w {folder}")
    else:
        yield Finding("state folder", "ok", f"{folder} can be written.")
    yield diagnosis.of_disk(str(there), shutil.disk_usage(there).free)
    try:
        keys = load_keys(
            master_key=config.vault.master_key,
            master_key_path=config.vault.master_key_path,
            state_dir=folder,
            is_embedded=config.database.dsn is None,
        )
    except CrmdError as error:
        yield Finding("master key", "warning", error.sentence, error.hint)
    except OSError as error:
        yield Finding("master key", "broken", f"It cannot be made: {error.strerror}.", f"Look at {folder}.")
    else:
        yield Finding("master key", "ok", f"{len(keys)} in use, {keys[0].key_id} seals.")


async def _of_database(config: Config, loaded: Loaded) -> AsyncIterator[Finding]:
    async with reached(config) as server, open_pools(server) as pools:
        yield Finding("database", "ok", "It answers.")
        facts = await pools.control.fetchrow(_SQL.server_facts)
        assert facts is not None  # noqa: S101 - the statement always gives one row
        async with pools.control.acquire() as connection:
            is_through_pooler = await is_pooled(connection)
        for finding in diagnosis.of_pooler(
            is_pooled=is_through_pooler,
            has_cache=server.statement_cache,
            has_direct=server.listen_dsn is not None,
            is_bounded=facts["is_bounded"],
        ):
            yield finding
        here, latency = datetime.now(UTC), await _latency_seconds(pools)
        missing = await _missing(pools, loaded)
        if missing:
            yield Finding("migrations", "broken", f"{len(missing)} are missing: {', '.join(missing)}.", "crmd migrate")
        known = await _is_set_up(pools)
        status = await overview.status(pools.control) if known else None
        alive = sum(daemon["is_alive"] for daemon in status["daemons"]) if status is not None else 0
        for finding in diagnosis.of_server(
            dict(facts), here=here, latency_seconds=latency, pool_max=config.database.pool_max, daemons=alive
        ):
            yield finding
        if status is None:
            return
        if not facts["has_partition_of_tomorrow"]:
            yield Finding("partitions", "warning", "There is none for tomorrow.", "A daemon makes them: crmd run")
        closed = await closed_gates(pools.control)
        told = (diagnosis.of_status, diagnosis.of_failovers, diagnosis.of_projections, diagnosis.of_connections)
        for finding in (*(one for of in told for one in of(status)), *diagnosis.of_gates(closed)):
            yield finding
        async for finding in _of_health_checks(pools, loaded):
            yield finding


async def _latency_seconds(pools: Pools) -> float:
    """The shortest of a few round trips: what the line itself costs."""
    samples = []
    async with pools.control.acquire() as connection:
        for _ in range(LATENCY_SAMPLES):
            before = time.perf_counter()
            await connection.fetchval(_SQL.ping)
            samples.append(time.perf_counter() - before)
    return min(samples)


async def _is_set_up(pools: Pools) -> bool:
    async with pools.control.acquire() as connection:
        return bool(await ledger(connection))


async def _missing(pools: Pools, loaded: Loaded) -> list[str]:
    async with pools.control.acquire() as connection:
        known = await ledger(connection)
    packages = [("crmd", "crmd.store"), *((plugin.name, plugin.package) for plugin in loaded.registry.plugins)]
    every = [migration for name, package in packages for migration in read_migrations(name, package)]
    return [
        f"{migration.namespace} {migration.number:04d}"
        for migration in every
        if (migration.namespace, migration.number) not in known
    ]


async def _of_health_checks(pools: Pools, loaded: Loaded) -> AsyncIterator[Finding]:
    """The checks that plugins add. One that raises is a finding like any other."""
    for plugin in loaded.registry.plugins:
        for check in plugin.health_checks:
            try:
                sentence = await check.check(pools.plugins)
            except Exception as error:  # noqa: BLE001 - a plugin's own code; the others are still to be looked at
                sentence = f"The check itself failed ({type(error).__name__}: {error})."
            if sentence is None:
                yield Finding(check.name, "ok", "All is well.")
            else:
                yield Finding(check.name, "broken", sentence, f"See the documentation of the plugin {plugin.name}.")

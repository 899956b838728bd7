"""A mailbox sync under kill -9: whatever the point, the rows in the end are those of an undisturbed sync."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import asyncpg
import msgspec
import pytest
from fleet import Daemon, Fleet

from crmd.cli.demo_account import connect_demo, demo_provider, start_sync
from crmd.composition import opened
from crmd.config.settings import Database, Plugins
from crmd.secret import Secret

if TYPE_CHECKING:
    from crmd.cli.demo_account import DemoProvider
    from crmd.config.loading import Config
    from crmd.testing.arena import Arena

pytestmark = pytest.mark.slow

ROWS = (Path(__file__).parent / "engine" / "crm_rows.sql").read_text()
PLUGINS = ("crm", "gmail", "contacts")
KILLS = int(os.environ.get("CRMD_TEST_KILLS", "20"))
SEED = int(os.environ.get("CRMD_TEST_SEED", "1"))


@pytest.mark.crmd_plugins(*PLUGINS)
async def test_sync_killed_at_random_points(crmd_arena: Arena, crmd_config: Config, tmp_path: Path) -> None:
    """Twenty kills at random points of a sync leave the rows of a sync that nobody killed, and no dead job."""
    async with crmd_arena.database() as undisturbed, demo_provider() as provider:
        provider.sandbox.faults.release()
        wanted = await _synced(crmd_config, crmd_config_dsn(undisturbed), provider, tmp_path / "calm", kills=0)
        found = await _synced(crmd_config, crmd_config_dsn(crmd_config), provider, tmp_path / "killed", kills=KILLS)
    assert len(wanted) > 1000
    assert found == wanted


async def _synced(config: Config, dsn: str, provider: DemoProvider, folder: Path, *, kills: int) -> list[str]:
    """Sync the mailbox with a daemon that is killed so many times, and answer the rows."""
    folder.mkdir()
    config = replace(config, database=replace_dsn(config, dsn), plugins=Plugins(enabled=PLUGINS))
    async with opened(config) as everything:
        connected = await connect_demo(everything, provider)
        await start_sync(everything, connected)
    key = folder / "master.key"
    assert config.vault.master_key is not None
    key.write_text(config.vault.master_key.reveal())
    key.chmod(0o600)
    connection = await asyncpg.connect(dsn)
    fleet = Fleet(dsn, folder, connection)
    chance = random.Random(SEED)  # noqa: S311 - a repeatable plan, not a secret
    try:
        for _ in range(kills):
            daemon = _start(fleet, key)
            await anyio.sleep(chance.uniform(0.4, 2.8))
            await fleet.kill(daemon)
        daemon = _start(fleet, key)
        await fleet.until(
            "SELECT (NOT EXISTS (SELECT FROM crmd.job j JOIN crmd.job_type t ON t.name = j.type "
            "WHERE j.meta ->> 'scheduleId' IS NULL) AND NOT EXISTS (SELECT FROM crmd.lease))::int",
            1,
        )
        ended = await connection.fetch("SELECT type, errors FROM crmd.archive WHERE status IN ('dead', 'failed')")
        assert ended == []
        return [row["line"] for row in await connection.fetch(ROWS)]
    finally:
        for daemon in fleet.daemons:
            if daemon.process.poll() is None:
                daemon.process.kill()
            daemon.process.wait()
        await connection.close()


def _start(fleet: Fleet, key: Path) -> Daemon:
    return fleet.start(plugins__enabled='["crm", "gmail", "contacts"]', vault__master_key_path=str(key))


def crmd_config_dsn(config: Config) -> str:
    """The address in a configuration."""
    assert config.database.dsn is not None
    return config.database.dsn.reveal()


def replace_dsn(config: Config, dsn: str) -> Database:
    """The same settings for another database."""
    return msgspec.structs.replace(config.database, dsn=Secret(dsn))

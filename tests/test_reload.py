from __future__ import annotations

import signal
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from fleet import Fleet, running_fleet

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
RUNNING = "SELECT count(*) FROM crmd.lease"
COMPLETED = "SELECT count(*) FROM crmd.archive WHERE status = 'completed'"
BROKEN = (("[queues.fast]\nslots = 0\n", "slots"), ("[queues.fast\n", "crmd.toml"), ("surplus = 1\n", "surplus"))
DONE = '"message":"reloaded"'
NAP = '{"milliseconds": 1500}'


def configure(folder: Path, text: str) -> None:
    """What the daemons of this folder read when they start, and again on SIGHUP."""
    (folder / "crmd.toml").write_text(text)


async def reload(fleet: Fleet, word: str) -> None:
    """Ask for it, and wait until the log holds the word once more."""
    daemon = fleet.daemons[0]
    before = daemon.text().count(word)
    daemon.send(signal.SIGHUP)
    await fleet.until_logged(daemon, word, before + 1)


async def test_slots_change_while_jobs_run(migrated_dsn: str, tmp_path: Path) -> None:
    """More slots take effect at once while every slot is busy; what runs goes on, and is not run twice."""
    configure(tmp_path, "[queues.fast]\nslots = 2\n")
    async with running_fleet(migrated_dsn, tmp_path, count=1, queues__fast__slots="") as fleet:
        await fleet.enqueue("mark", 6, '{"milliseconds": 1500}')
        await fleet.until(RUNNING, 2)
        assert await fleet.connection.fetchval(RUNNING) == 2
        configure(tmp_path, "[queues.fast]\nslots = 6\n")
        await reload(fleet, DONE)
        await fleet.until(RUNNING, 6)
        await fleet.until(COMPLETED, 6)
        assert await fleet.connection.fetchval("SELECT max(fence) FROM crmd.archive") == 1


async def test_limits_and_attempts_change(migrated_dsn: str, tmp_path: Path) -> None:
    """A job type's limit and defaults are the new ones for jobs that wait and for jobs that come."""
    configure(tmp_path, '[jobs.mark-limited]\nconcurrency = [{max = 1, per = "workspace"}]\n')
    async with running_fleet(migrated_dsn, tmp_path, count=1, queues__fast__slots="") as fleet:
        workspace_id = uuid4()
        await fleet.enqueue("mark-limited", 4, '{"milliseconds": 1500}', workspace_id)
        await fleet.until(RUNNING, 1)
        configure(tmp_path, '[jobs.mark-limited]\nmax_attempts = 9\nconcurrency = [{max = 4, per = "workspace"}]\n')
        await reload(fleet, DONE)
        await fleet.until(RUNNING, 4)
        await fleet.enqueue("mark-limited", 1, NAP, workspace_id)
        assert await fleet.connection.fetchval("SELECT max(max_attempts::integer) FROM crmd.job") == 9


async def test_a_broken_file_changes_nothing(migrated_dsn: str, tmp_path: Path) -> None:
    """A file that cannot be read is named with what is wrong; the daemon goes on as it was."""
    configure(tmp_path, "[queues.fast]\nslots = 2\n")
    async with running_fleet(migrated_dsn, tmp_path, count=1, queues__fast__slots="") as fleet:
        for text, word in BROKEN:
            configure(tmp_path, text)
            await reload(fleet, "not reloaded")
            line = [line for line in fleet.daemons[0].text().splitlines() if "not reloaded" in line][-1]
            assert word in line
        await fleet.enqueue("mark", 3, NAP)
        await fleet.until(RUNNING, 2)
        assert await fleet.connection.fetchval(RUNNING) == 2
        await fleet.until(COMPLETED, 3)


async def test_a_plugin_that_would_break_keeps_its_old_settings(migrated_dsn: str, tmp_path: Path) -> None:
    """Settings that a working plugin refuses are refused as a whole; its jobs still run."""
    async with running_fleet(migrated_dsn, tmp_path, count=1, queues__fast__slots="") as fleet:
        configure(tmp_path, "[plugins.fleet]\nunheard_of = 1\n")
        await reload(fleet, "The plugin fleet would not work")
        await fleet.enqueue("mark", 1)
        await fleet.until(COMPLETED, 1)


async def test_a_plugin_can_come_by_a_reload(migrated_dsn: str, tmp_path: Path) -> None:
    """A newly enabled plugin gets its tables, and its jobs, which waited unknown, run."""
    configure(tmp_path, "[plugins]\nenabled = []\n")
    async with running_fleet(migrated_dsn, tmp_path, count=1, plugins__enabled="") as fleet:
        configure(tmp_path, '[plugins]\nenabled = ["fleet"]\n')
        await reload(fleet, DONE)
        await fleet.enqueue("mark", 1)
        await fleet.until("SELECT count(*) FROM fleet.mark", 1)

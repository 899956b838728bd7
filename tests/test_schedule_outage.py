"""The scheduler of a real daemon fails, again and again: it heals by itself, and makes up for what it missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fleet import install_plugin, running_fleet

from crmd.engine.forever import PAUSE_MAX_SECONDS
from crmd.engine.scheduler import LOOK_MAX_SECONDS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
TICKS = """
SELECT count(*) AS ticks, count(job_id) AS jobs, extract(epoch FROM max(due_at) - min(due_at))::float8 AS seconds
FROM crmd.tick WHERE schedule_id LIKE '%fires%'
"""
MISSED = 4
FIRED = "SELECT count(*) FROM crmd.tick WHERE schedule_id LIKE '%fires%'"


async def test_a_scheduler_that_fails_heals_by_itself(crmd_dsn: str, tmp_path: Path) -> None:
    """While each of its turns raises the daemon works and says so; then each tick fires once, and none is left out."""
    install_plugin(tmp_path / "site", "clocks", "clock_jobs")
    async with running_fleet(crmd_dsn, tmp_path, 1, plugins__enabled='["fleet", "clocks"]') as fleet:
        [daemon] = fleet.daemons
        await fleet.until(FIRED, 2)
        await fleet.connection.execute("ALTER TABLE crmd.schedule RENAME TO lost")
        await fleet.until_logged(daemon, "scheduling failed and goes on", 3)
        await fleet.enqueue("mark", 1)
        await fleet.until("SELECT count(*) FROM fleet.mark", 1)
        before = await fleet.connection.fetchval(FIRED)
        await fleet.until("SELECT extract(epoch FROM crmd.clock() - max(due_at)) FROM crmd.tick", MISSED)
        await fleet.connection.execute("ALTER TABLE crmd.lost RENAME TO schedule")
        await fleet.until_logged(daemon, "scheduling works again")
        await fleet.until(FIRED, before + MISSED + 3)
        [row] = await fleet.connection.fetch(TICKS)
        assert row["ticks"] == row["jobs"] == row["seconds"] + 1
        assert daemon.process.poll() is None


def test_it_heals_within_a_minute() -> None:
    """The longest pause after a failure and the longest wait for the next look, with room to spare."""
    assert PAUSE_MAX_SECONDS + LOOK_MAX_SECONDS < 60

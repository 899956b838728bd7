"""Daemons of one fleet that do not know the same job types, as in a rolling upgrade."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from fleet import WAIT_SECONDS, running_fleet

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
JOBS = 60
HELD = "SELECT count(*) FROM crmd.job WHERE held = 'unknown'"
COMPLETED = "SELECT count(*) FROM crmd.archive WHERE status = 'completed'"
TOLD = "no loaded plugin declares the job type mark"


async def test_what_one_daemon_does_not_know_another_runs(crmd_dsn: str, tmp_path: Path) -> None:
    """Alone, a daemon claims what it does not know once and holds it; beside one that knows it, all of it runs."""
    async with running_fleet(crmd_dsn, tmp_path, count=1) as fleet:
        [knows] = fleet.daemons
        knows.send(signal.SIGTERM)
        knows.process.wait(WAIT_SECONDS)
        stranger = fleet.start(plugins__enabled="[]")
        await fleet.ready(1)
        await fleet.enqueue("mark", JOBS)
        await fleet.until(HELD, JOBS)
        assert await fleet.connection.fetchval("SELECT sum(fence) FROM crmd.job") == JOBS
        assert await fleet.connection.fetchval("SELECT max(attempt) FROM crmd.job") == 0
        fleet.start()
        await fleet.until(COMPLETED, JOBS)
        await fleet.enqueue("mark", JOBS)  # both are awake now, and both claim them
        await fleet.until(COMPLETED, 2 * JOBS)
        assert await fleet.connection.fetchval("SELECT max(attempt) FROM crmd.archive") == 1
        assert stranger.text().count(TOLD) == 1

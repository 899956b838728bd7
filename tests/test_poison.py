"""A job that brings its daemon down, among innocent ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from fleet import install_plugin, running_fleet

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

INNOCENT = 200
ENABLED = '["fleet", "isolated"]'


async def test_only_the_guilty_one_is_poison(crmd_dsn: str, tmp_path: Path) -> None:
    """A job that kills its daemon is poison after one daemon and two processes; nobody that ran beside it is."""
    install_plugin(tmp_path / "site", "isolated", "isolated_plugin")
    async with running_fleet(crmd_dsn, tmp_path, 2, plugins__enabled=ENABLED, queues__fast__slots="300") as fleet:
        for _ in range(2):  # both daemons work on the innocent ones when one of them dies
            await fleet.enqueue("marks", INNOCENT // 2, '{"seconds": 1.5}')
            await fleet.until("SELECT count(*) FROM crmd.lease", 1)
        await fleet.enqueue("kills-daemon", 1, '{"seconds": 0.2}')
        await fleet.until("SELECT count(*) FROM crmd.archive WHERE status = 'completed'", INNOCENT)
        await fleet.until("SELECT count(*) FROM crmd.archive WHERE status = 'dead'", 1)
        rows = await fleet.connection.fetch(
            "SELECT status, type, count(*), max(crash_count) FROM crmd.archive GROUP BY 1, 2"
        )
        assert {tuple(row)[:3] for row in rows} == {("completed", "marks", INNOCENT), ("dead", "kills-daemon", 1)}
        poison = await fleet.connection.fetchrow("SELECT crash_count, errors FROM crmd.archive WHERE status = 'dead'")
        assert poison is not None
        errors = json.loads(poison["errors"])
        assert poison["crash_count"] == 3
        assert [error["class"] for error in errors] == ["Crashed", "Crashed", "Poison"]
        assert "killed by SIGSEGV" in errors[-1]["message"]
        assert sum(daemon.process.poll() is not None for daemon in fleet.daemons) == 1

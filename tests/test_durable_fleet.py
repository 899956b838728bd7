"""Durable jobs under real daemons: killed after each step, and thousands that wait in nobody's memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from durable_jobs import STEPS
from fleet import install_plugin, running_fleet

if TYPE_CHECKING:
    from fleet import Fleet

pytestmark = pytest.mark.slow
DURABLE = {"plugins__enabled": '["durable"]'}
MANY = 10_000


def resident_mib(fleet: Fleet) -> float:
    """The memory of the newest daemon."""
    pages = int(Path(f"/proc/{fleet.daemons[-1].pid}/statm").read_text("ascii").split()[1])
    return pages * 4096 / 1024 / 1024


async def test_twelve_steps_killed_after_each(migrated_dsn: str, tmp_path: Path) -> None:
    """A job whose daemon is killed with -9 after each of its twelve steps ends once, each step called once."""
    install_plugin(tmp_path / "site", "durable", "durable_plugin")
    async with running_fleet(migrated_dsn, tmp_path, 1, **DURABLE) as fleet:
        job_id = await fleet.connection.fetchval("SELECT crmd.enqueue('twelve-steps', '{\"hangs\": true}')")
        for number in range(STEPS):
            await fleet.until("SELECT count(*) FROM crmd.step WHERE job_id = $1", number + 1, job_id)
            await fleet.kill(fleet.daemons[-1])
            fleet.start(**DURABLE)
        await fleet.until("SELECT count(*) FROM crmd.archive WHERE id = $1", 1, job_id)
        row = await fleet.connection.fetchrow(
            "SELECT status, attempt, fence, result FROM crmd.archive WHERE id = $1", job_id
        )
        assert row is not None
        assert (row["status"], row["attempt"]) == ("completed", 1)
        assert msgspec.json.decode(row["result"]) == [number * number for number in range(STEPS)]
        calls = [
            record["step"] for record in await fleet.connection.fetch("SELECT step FROM durable.done ORDER BY place")
        ]
        assert calls == [f"step {number}" for number in range(STEPS)]
        assert await fleet.connection.fetchval("SELECT count(*) FROM crmd.archive") == 1


async def test_durable_in_a_thread_and_in_a_process(migrated_dsn: str, tmp_path: Path) -> None:
    """Steps, children, sleeps and waits are the same wherever a job runs."""
    install_plugin(tmp_path / "site", "durable", "durable_plugin")
    async with running_fleet(migrated_dsn, tmp_path, 1, **DURABLE) as fleet:
        await fleet.enqueue("apart", 1)
        await fleet.enqueue("aside", 1)
        await fleet.until("SELECT count(*) FROM crmd.waiting", 2)
        await fleet.connection.execute("SELECT crmd.emit('approved', '{\"number\": 1}')")
        await fleet.until("SELECT count(*) FROM crmd.archive WHERE type IN ('apart', 'aside')", 2)
        query = "SELECT status, result -> 'value' FROM crmd.archive WHERE type IN ('apart', 'aside')"
        assert {tuple(row) for row in await fleet.connection.fetch(query)} == {("completed", "[9, 9, 1]")}


async def test_ten_thousand_wait_in_nobodys_memory(migrated_dsn: str, tmp_path: Path) -> None:
    """Ten thousand jobs that sleep or wait hold no lease, no slot and no memory; each ends when its event has come."""
    install_plugin(tmp_path / "site", "durable", "durable_plugin")
    async with running_fleet(migrated_dsn, tmp_path, 1, **DURABLE) as fleet:
        await fleet.enqueue("notes", 200)
        await fleet.until("SELECT count(*) FROM crmd.archive", 200)
        before = resident_mib(fleet)
        await fleet.connection.execute(
            "SELECT crmd.enqueue_many('waits', ARRAY(SELECT jsonb_build_object('number', n) "
            "FROM generate_series(1, $1) n))",
            MANY // 2,
        )
        await fleet.enqueue("sleeps", MANY // 2)
        await fleet.until("SELECT count(*) FROM crmd.job WHERE fence = 1 AND run_at > crmd.clock()", MANY)
        assert await fleet.connection.fetchval("SELECT count(*) FROM crmd.lease") == 0
        assert await fleet.connection.fetchval("SELECT count(*) FROM crmd.waiting") == MANY // 2
        await fleet.enqueue("notes", 200)  # there is room
        await fleet.until("SELECT count(*) FROM crmd.archive", 400)
        grown = resident_mib(fleet) - before
        assert grown < 20, f"{MANY} waiting jobs cost {grown:.0f} MiB"
        await fleet.connection.execute(
            "SELECT crmd.emit_many('approved', ARRAY(SELECT jsonb_build_object('number', n) "
            "FROM generate_series(1, $1) n))",
            MANY // 2,
        )
        await fleet.until("SELECT count(*) FROM crmd.archive WHERE type = 'waits' AND status = 'completed'", MANY // 2)
        wrong = "SELECT count(*) FROM crmd.archive WHERE type = 'waits' AND result -> 'number' <> payload -> 'number'"
        assert await fleet.connection.fetchval(wrong) == 0

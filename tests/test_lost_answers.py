"""Statements that commit while their answer is lost: the link is cut once the server has said it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from fleet import Fleet, running_fleet
from tcp_proxy import proxied

if TYPE_CHECKING:
    from pathlib import Path

    from tcp_proxy import Proxy

pytestmark = pytest.mark.slow
COMPLETED = "SELECT count(*) FROM crmd.archive WHERE status = 'completed'"
DOUBLED = "SELECT count(*) FROM (SELECT job_id FROM fleet.mark GROUP BY job_id HAVING count(*) > 1) d"
# What the engine sends when it claims, when it settles what left nothing to say, and when a job's transaction commits.
CLAIM = (b"INSERT INTO crmd.lease", b"fast")
SETTLE = (b"INSERT INTO crmd.archive", b"")
COMMIT = (b"COMMIT", b"")
FIRE = b"crmd.fire_many"
JOBS = 30


async def test_a_commit_whose_answer_is_lost_counts_once(crmd_dsn: str, tmp_path: Path) -> None:
    """Claims are found again by their id, outcomes and marks are written once, each tick has its one job."""
    async with proxied(crmd_dsn) as (proxy, dsn), running_fleet(crmd_dsn, tmp_path, 1, database__dsn=dsn) as fleet:
        for round_, lost in enumerate((CLAIM, SETTLE, COMMIT), 1):
            await _lose(fleet, proxy, *lost)
            await fleet.until(COMPLETED, round_ * JOBS)
            if lost is not COMMIT:  # no job notices: what was claimed runs under its first claim
                assert await fleet.connection.fetchval("SELECT max(fence) FROM crmd.archive") == 1
        assert await fleet.connection.fetchval(DOUBLED) == 0
        assert await fleet.connection.fetchval("SELECT count(*) FROM fleet.mark") == 3 * JOBS
        assert await fleet.connection.fetchval("SELECT count(*) FROM crmd.archive") == 3 * JOBS
        await _lose_ticks(fleet, proxy)
        assert fleet.daemons[0].process.poll() is None


async def _lose(fleet: Fleet, proxy: Proxy, sql: bytes, parameter: bytes) -> None:
    """Enqueue jobs, and lose an answer to such a statement for each handful of them."""
    for _ in range(3):
        proxy.lose_answers(sql, parameter)
        await fleet.enqueue("mark", JOBS // 3, '{"milliseconds": 20}')
        with anyio.fail_after(60):
            while proxy.unanswered:  # noqa: ASYNC110 - told by the daemon's own statements
                await anyio.sleep(0.01)


async def _lose_ticks(fleet: Fleet, proxy: Proxy) -> None:
    """Lose the answers to firings: every tick has one job all the same, and none is left out."""
    proxy.lose_answers(FIRE, count=2)
    await fleet.connection.execute("SELECT crmd.schedule('ticks', 'mark', 'every 1s', overlap => 'allow')")
    await fleet.until("SELECT count(*) FROM crmd.tick", 4)
    assert proxy.unanswered == 0
    ticks = await fleet.connection.fetch("SELECT due_at, job_id FROM crmd.tick ORDER BY due_at")
    assert len({row["job_id"] for row in ticks}) == len(ticks) == len({row["due_at"] for row in ticks})
    seconds = (ticks[-1]["due_at"] - ticks[0]["due_at"]).total_seconds()
    assert seconds == len(ticks) - 1

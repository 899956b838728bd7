"""Wake-ups while a daemon has enough to do: many commits at once need no NOTIFY, which would line them up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest
from fleet import running_fleet

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
WRITERS = 64
COMMITS = 10
SLOTS = 5
AWAKE = "SELECT count(*) FROM crmd.daemon WHERE NOT is_dead AND NOT 'fast' = ANY (idle_queues)"
WAITING = "SELECT count(*) FROM crmd.job WHERE type = 'mark'"


async def test_many_writers_wake_no_busy_daemon(crmd_dsn: str, tmp_path: Path) -> None:
    """Sixty-four sessions that enqueue at once tell a daemon that has more than it can run nothing: no commit waits."""
    heard: list[object] = []
    async with running_fleet(crmd_dsn, tmp_path, 1, queues__fast__slots=str(SLOTS)) as fleet:
        await fleet.enqueue("mark", 4 * SLOTS, '{"milliseconds": 100000}')
        await fleet.until("SELECT count(*) FROM crmd.lease", SLOTS)
        await fleet.until(AWAKE, 1)
        await fleet.connection.add_listener("crmd_wake", lambda *told: heard.append(told[-1]))
        await asyncio.gather(*(writes(crmd_dsn) for _ in range(WRITERS)))
        assert await fleet.connection.fetchval(WAITING) == 3 * SLOTS + WRITERS * COMMITS
        assert heard == []


async def writes(dsn: str) -> None:
    """One session, commit after commit."""
    connection = await asyncpg.connect(dsn)
    for _ in range(COMMITS):
        await connection.execute("SELECT crmd.enqueue('mark')")
    await connection.close()

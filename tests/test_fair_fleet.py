"""Fair turns over two real daemons, as bench_fair measures them at full size."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from fleet import running_fleet

if TYPE_CHECKING:
    from pathlib import Path

BIG = UUID(int=1)
ENDED = "SELECT count(*) FROM crmd.archive WHERE status = 'completed'"


@pytest.mark.slow
async def test_small_tenants_pass_a_big_one(crmd_dsn: str, tmp_path: Path) -> None:
    """Thirty tenants whose few jobs come after thousands of another's have all started before most of those have."""
    async with running_fleet(crmd_dsn, tmp_path) as fleet:
        await fleet.connection.execute("SELECT crmd.pause('queue:fast', 'until all wait')")
        await fleet.connection.fetch(
            "SELECT crmd.enqueue_many('mark', array_fill('{\"milliseconds\": 30}'::jsonb, ARRAY[2000]), $1)", BIG
        )
        for number in range(30):
            await fleet.enqueue("mark", 5, '{"milliseconds": 30}', UUID(int=number + 2))
        await fleet.connection.execute("SELECT crmd.resume('queue:fast')")
        await fleet.until(ENDED, 2150)
        before = await fleet.connection.fetchval(
            "SELECT count(*) FROM crmd.archive WHERE workspace_id = $1 AND started_at < "
            "(SELECT max(started_at) FROM crmd.archive WHERE workspace_id <> $1)", BIG,
        )  # fmt: skip
        assert before <= 1000
        assert await fleet.connection.fetchval("SELECT max(attempt) FROM crmd.archive") == 1

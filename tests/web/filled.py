"""A database full of what an installation has after a day, for tests and pictures of the dashboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crmd.testing import Workbench

SCRIPT = Path(__file__).with_suffix(".sql")
COUNTS_MAX = 40


async def fill(workbench: Workbench, *, ended: int) -> None:
    """Fill the database of a workbench with so many ended jobs of a day, and let them be counted."""
    async with workbench._pool.acquire() as connection:
        await connection.execute("SELECT set_config('filled.ended', $1, false)", str(ended))
        await connection.execute(SCRIPT.read_text("utf-8"))
        await connection.execute(
            "UPDATE crmd.ended_until SET hour_at = date_trunc('hour', crmd.clock()) - interval '30 h'"
        )
        await connection.execute("UPDATE crmd.ended_until SET minute_at = hour_at")
        for _ in range(COUNTS_MAX):
            if not await connection.fetchval("SELECT crmd.count_ended()"):
                return

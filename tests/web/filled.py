"""A database full of what an installation has after a day, for tests and pictures of the dashboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crmd.testing import Workbench

SCRIPT = Path(__file__).with_suffix(".sql")


async def fill(workbench: Workbench, *, ended: int) -> None:
    """Fill the database of a workbench with so many jobs that ended within a day, counted for charts over time."""
    async with workbench._pool.acquire() as connection:
        await connection.execute("SELECT set_config('filled.ended', $1, false)", str(ended))
        await connection.execute(SCRIPT.read_text("utf-8"))

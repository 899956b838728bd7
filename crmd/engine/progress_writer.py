"""Writes the progress of running jobs, twice a second at most, under their tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.store import leases

if TYPE_CHECKING:
    from crmd.engine.executor import Executor
    from crmd.store.pools import Pool

INTERVAL_SECONDS = 0.5


async def write_progress_once(pool: Pool, executor: Executor) -> float:
    """Write what has changed; answers the seconds until the next turn."""
    changed = [run for run in executor.runs.values() if run.progress is not None and run.progress.is_dirty]
    if not changed:
        return INTERVAL_SECONDS
    rows = []
    async with pool.acquire() as connection:
        for run in changed:
            progress = run.progress
            assert progress is not None  # noqa: S101 - chosen for having one
            progress.is_dirty = False
            rows.append((run.token, progress.as_json()))
            if progress.items:
                items, progress.items = progress.items, []
                await leases.write_items(connection, run.token, items)
        await leases.write_progress(connection, rows)
    return INTERVAL_SECONDS

"""Writes the progress of running jobs, twice a second at most, under their tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.store import leases

if TYPE_CHECKING:
    from crmd.engine.executor import Executor
    from crmd.engine.run import Progress
    from crmd.store.leases import Token
    from crmd.store.pools import Connection, Pool

INTERVAL_SECONDS = 0.5


async def write_progress_once(pool: Pool, executor: Executor) -> float:
    """Write what has changed, once there are jobs; answers the seconds until the next turn."""
    await executor.until_busy()
    runs = [run for run in executor.runs.values() if run.progress and run.progress.is_dirty]
    changed = [(run.token, run.progress) for run in runs if run.progress]
    if not changed:
        return INTERVAL_SECONDS
    try:
        async with pool.acquire() as connection:
            await leases.write_progress(connection, [_taken(token, progress) for token, progress in changed])
            for token, progress in changed:
                await _write_items(connection, token, progress)
    except BaseException:
        for _, progress in changed:
            progress.is_dirty = True  # for the next turn
        raise
    if executor.watchers.is_on:
        executor.watchers.tell(runs)
    return INTERVAL_SECONDS


def _taken(token: Token, progress: Progress) -> tuple[Token, bytes]:
    progress.is_dirty = False
    return token, progress.as_json()


async def _write_items(connection: Connection, token: Token, progress: Progress) -> None:
    """Items are forgotten only once they are written: a job that ends meanwhile writes them once more, harmlessly."""
    items = list(progress.items)
    if items:
        await leases.write_items(connection, token, items)
        del progress.items[: len(items)]

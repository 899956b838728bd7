"""What jobs log, kept with them: bounded for each, the oldest dropped first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from crmd.store.pools import Connection, Pool

_SQL = load_queries("crmd.store")
BYTES_MAX = 256 * 1024


class Lines(NamedTuple):
    """What one job has logged since the last write. `lines` is a JSON list of {at, level, text}."""

    job_id: UUID
    attempt: int
    lines: bytes


async def write(pool: Pool, chunks: Sequence[Lines], bytes_max: int = BYTES_MAX) -> None:
    """Keep them; `bytes_max` are kept of each job."""
    await pool.execute(
        _SQL.job_log_write,
        [chunk.job_id for chunk in chunks],
        [chunk.attempt for chunk in chunks],
        [len(chunk.lines) for chunk in chunks],
        [chunk.lines for chunk in chunks],
        bytes_max,
    )


async def read(database: Pool | Connection, job_id: UUID, after_id: int = 0) -> Sequence[Any]:
    """A job's lines, oldest first, behind the row `after_id`: rows of id, attempt, lines."""
    return await database.fetch(_SQL.job_log_read, job_id, after_id)


async def sweep(connection: Pool | Connection, days: int, rows_max: int) -> int:
    """Forget the logs of jobs that retention has dropped; answers how many rows."""
    swept: int = await connection.fetchval(_SQL.job_log_sweep, days, rows_max)
    return swept

"""Ended jobs as figures: counted once a minute beside the archive, and read as series over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crmd.store.pools import Connection, Pool

_SQL = load_queries("crmd.store")
# Minutes are kept for two days.
MINUTES_MAX_SECONDS = 86400.0


async def count_once(database: Connection | Pool) -> bool:
    """Count what ended since, an hour at the most; whether there is more to count at once."""
    return bool(await database.fetchval(_SQL.ended_count))


async def series(database: Connection | Pool, *, bucket_seconds: float, back_seconds: float) -> Sequence[Any]:
    """Rows of (at, measure, status, step, jobs, seconds); see crmd.ended_between for what they mean."""
    statement = _SQL.api_series if back_seconds <= MINUTES_MAX_SECONDS else _SQL.api_series_hours
    return await database.fetch(statement, bucket_seconds, back_seconds)


async def depths(database: Connection | Pool, *, bucket_seconds: float, back_seconds: float) -> Sequence[Any]:
    """Rows of (at, depth): how many jobs were due or running."""
    return await database.fetch(_SQL.api_depths, bucket_seconds, back_seconds)


async def stand(database: Connection | Pool) -> Mapping[str, Any]:
    """How many jobs stand where, and how many ended within 24 hours."""
    row = await database.fetchrow(_SQL.api_stand)
    assert row is not None  # noqa: S101 - aggregates answer a row
    return dict(row)

"""What is looked at each minute of the soak, and what is made of it in the end."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from speed.daemons import Daemon
    from speed.database import Database

MEBIBYTE = 2**20
HOT = ("job", "lease", "unique_key", "daemon", "concurrency")
SIZES = """
SELECT coalesce(sum(pg_table_size(c.oid)), 0)::bigint AS tables,
    coalesce(sum(pg_indexes_size(c.oid)), 0)::bigint AS indexes
FROM pg_class c WHERE c.relnamespace = 'crmd'::regnamespace AND c.relkind = 'r' AND c.relname = ANY($1)
"""
# Ids sort by the time at which they were made, so that a stretch of time is a stretch of the key.
WAITS = """
SELECT coalesce(percentile_disc(ARRAY[0.5, 0.99]) WITHIN GROUP (
    ORDER BY extract(epoch FROM started_at - created_at)::float8 * 1000), ARRAY[0, 0]::float8[])
FROM crmd.archive WHERE type = 'soak' AND id >= $1 AND id < $2 AND payload ->> 'does' <> 'later'
"""
SIXTH = 6
SLOWER_MAX = 1.5
GROWTH_MAX = 1.25
# Of what is a few pages in all, one more is much.
GROWTH_MIN_BYTES = 4 * MEBIBYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look.

    Attributes:
        at: By the clock of the database.
        p99_ms: From enqueue to start, of the jobs since the look before.
    """

    at: datetime
    p50_ms: float
    p99_ms: float
    table_bytes: int
    index_bytes: int
    archive_bytes: int
    memory_bytes: int

    def kept(self) -> dict[str, Any]:
        """For the JSON."""
        return {**asdict(self), "at": self.at.isoformat()}


def first_id(at: datetime) -> UUID:
    """The least id that is made at this instant."""
    return UUID(int=int(at.timestamp() * 1000) << 80)


async def waits_ms(database: Database, since: datetime, until: datetime) -> tuple[float, float]:
    """How long jobs that were made in this time waited: p50, p99."""
    half, most = await database.connection.fetchval(WAITS, first_id(since), first_id(until))
    return half, most


async def look(database: Database, daemons: Sequence[Daemon], since: datetime) -> Sample:
    """Look at everything that may grow, and at how long jobs wait."""
    now = await database.connection.fetchval("SELECT clock_timestamp()")
    half, most = await waits_ms(database, since, now)
    sizes = await database.connection.fetchrow(SIZES, HOT)
    assert sizes is not None, "an aggregate always answers a row"
    archive = await database.connection.fetchval(
        "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('crmd.archive')"
    )
    return Sample(
        at=now,
        p50_ms=half,
        p99_ms=most,
        table_bytes=sizes["tables"],
        index_bytes=sizes["indexes"],
        archive_bytes=int(archive),
        memory_bytes=sum(daemon.resident_bytes for daemon in daemons if daemon.is_running),
    )


def grown(samples: Sequence[Sample], measure: Callable[[Sample], int]) -> tuple[float, float, bool]:
    """The most in the first sixth, the most in the last, and whether that is about the same."""
    part = max(len(samples) // SIXTH, 1)
    first, last = max(map(measure, samples[:part])), max(map(measure, samples[-part:]))
    return first, last, last <= first * GROWTH_MAX + GROWTH_MIN_BYTES

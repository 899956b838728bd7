"""Figures of ended jobs as points over time. Pure: rows come in, points go out."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
FIRST_SECONDS = 0.001


class Point(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What ended within one bucket of time."""

    at: Annotated[datetime, Meta(description="where the bucket begins")]
    completed: int = 0
    failed: Annotated[int, Meta(description="and dead")] = 0
    dead: int = 0
    cancelled: int = 0
    wait_p50_seconds: Annotated[float | None, Meta(description="from being due to the first start")] = None
    wait_p95_seconds: float | None = None
    run_p50_seconds: Annotated[float | None, Meta(description="from the first start to the end")] = None
    run_p95_seconds: float | None = None
    depth: Annotated[int | None, Meta(description="jobs that were due or running, the most of the bucket")] = None


def points_of(
    rows: Iterable[Mapping[str, Any]],
    depths: Mapping[datetime, int],
    *,
    now: datetime,
    bucket_seconds: float,
    back_seconds: float,
) -> list[Point]:
    """A point for every bucket up to now, empty ones too.

    Args:
        rows: Of api_series.sql.
        depths: By bucket.
        now: Of the database.
        bucket_seconds: How long a bucket is.
        back_seconds: How far back they go.
    """
    jobs: defaultdict[datetime, Counter[str]] = defaultdict(Counter)
    steps: defaultdict[tuple[datetime, str], Counter[int]] = defaultdict(Counter)
    for row in rows:
        if row["measure"] == "jobs":
            jobs[row["at"]][row["status"]] += row["jobs"]
        else:
            steps[row["at"], row["measure"]][row["step"]] += row["jobs"]
    points = []
    at = _bucket(now - timedelta(seconds=back_seconds), bucket_seconds)
    while at <= now:
        points.append(_point(at, jobs[at], steps[at, "wait"], steps[at, "run"], depths.get(at)))
        at += timedelta(seconds=bucket_seconds)
    return points


def percentile(steps: Mapping[int, int], share: float) -> float | None:
    """The seconds that this share of the jobs stayed within, inside a step as if they lay evenly in it.

    Args:
        steps: How many jobs by `crmd.time_step`: step n ends at 2^n milliseconds.
        share: Between 0 and 1.
    """
    total = sum(steps.values())
    if total == 0:
        return None
    wanted = share * total
    before = 0
    for step in sorted(steps):
        if before + steps[step] >= wanted:
            upper = FIRST_SECONDS * 2.0**step
            lower = 0.0 if step == 0 else upper / 2
            return round(lower + (upper - lower) * (wanted - before) / steps[step], 6)
        before += steps[step]
    return FIRST_SECONDS * 2.0 ** max(steps)


def _point(at: datetime, jobs: Counter[str], waits: Counter[int], runs: Counter[int], depth: int | None) -> Point:
    return Point(
        at=at,
        completed=jobs["completed"],
        failed=jobs["failed"] + jobs["dead"],
        dead=jobs["dead"],
        cancelled=jobs["cancelled"],
        wait_p50_seconds=percentile(waits, 0.5),
        wait_p95_seconds=percentile(waits, 0.95),
        run_p50_seconds=percentile(runs, 0.5),
        run_p95_seconds=percentile(runs, 0.95),
        depth=depth,
    )


def _bucket(at: datetime, bucket_seconds: float) -> datetime:
    """As date_bin has it."""
    count = (at - EPOCH).total_seconds() // bucket_seconds
    return EPOCH + timedelta(seconds=count * bucket_seconds)

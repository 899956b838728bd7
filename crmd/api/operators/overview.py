"""How it goes, on one page: where jobs stand now, what needs a person, and how it went over time."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from crmd.api.operators.attention import Want, wants_of
from crmd.api.operators.queues import Queue, queue_view
from crmd.api.operators.series import Point, points_of
from crmd.api.route import Call, Route, routed
from crmd.store import history, overview, tuning

if TYPE_CHECKING:
    from collections.abc import Sequence

HOUR = 3600.0
# How long a point is, by how many hours are asked for at the most.
BUCKETS = ((1, 60.0), (6, 300.0), (24, 900.0), (168, HOUR), (720, 6 * HOUR))


class OverviewWanted(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the past."""

    hours: Annotated[int, Meta(ge=1, le=720, description="of the series")] = 24


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Unfinished jobs by status."""

    pending: int
    scheduled: int
    processing: int


class Now(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How it stands now."""

    at: datetime
    counts: Counts
    running: int
    held: Annotated[int, Meta(description="that wait for something else than their time or turn")]
    oldest_due_at: datetime | None
    oldest_due_seconds: float | None
    completed_day: Annotated[int, Meta(description="within 24 hours, whole hours")]
    failed_day: Annotated[int, Meta(description="failed or dead, within 24 hours")]
    cancelled_day: int
    queues: list[Queue]


class Overview(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The page."""

    now: Now
    attention: Annotated[list[Want], Meta(description="the worst first; empty: nothing needs anybody")]
    step_seconds: Annotated[float, Meta(description="how long a point of the series is")]
    series: Annotated[list[Point], Meta(description="the oldest first; the last one is not over yet")]


@routed("GET", "/api/overview", scope="read", tag="overview")
async def get_overview(call: Call, query: OverviewWanted) -> Overview:
    """Show how it goes now, what needs a person, and throughput, failures and times over the past."""
    pool = call.state.pool
    step_seconds = next(seconds for hours, seconds in BUCKETS if query.hours <= hours)
    back_seconds = query.hours * HOUR
    stand = await history.stand(pool)
    rows = await history.series(pool, bucket_seconds=step_seconds, back_seconds=back_seconds)
    depths = await history.depths(pool, bucket_seconds=step_seconds, back_seconds=back_seconds)
    status = await overview.status(call.state.services.pools.control)
    hour = await history.series(pool, bucket_seconds=HOUR, back_seconds=HOUR) if status["dead_last_day"] else ()
    oldest = stand["oldest_due_at"]
    return Overview(
        now=Now(
            at=stand["now"],
            counts=Counts(pending=stand["pending"], scheduled=stand["scheduled"], processing=stand["running"]),
            running=stand["running"],
            held=stand["held"],
            oldest_due_at=oldest,
            oldest_due_seconds=None if oldest is None else (stand["now"] - oldest).total_seconds(),
            completed_day=stand["completed"],
            failed_day=stand["failed"],
            cancelled_day=stand["cancelled"],
            queues=[queue_view(row) for row in await tuning.queues(pool, [])],
        ),
        attention=wants_of(status, {"day": _of_day(status["dead_last_day"]), "hour": _failures(hour)}),
        step_seconds=step_seconds,
        series=points_of(
            rows,
            {row["at"]: row["depth"] for row in depths},
            now=stand["now"],
            bucket_seconds=step_seconds,
            back_seconds=back_seconds,
        ),
    )


def _failures(rows: Sequence[Any]) -> int:
    return sum(row["jobs"] for row in rows if row["status"] in {"failed", "dead"})


def _of_day(rows: Sequence[Any]) -> int:
    return sum(row["jobs"] for row in rows)


ROUTES: tuple[Route, ...] = (get_overview,)

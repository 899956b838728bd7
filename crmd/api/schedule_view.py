"""A schedule as front ends see it, and as they ask for one."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from crmd.allowed import SCHEDULE_NAME
from crmd.api.problem import invalid
from crmd.model import At, Schedule
from crmd.store import schedules

if TYPE_CHECKING:
    from collections.abc import Mapping

Name = Annotated[str, Meta(pattern=SCHEDULE_NAME)]
Text = Annotated[str, Meta(min_length=1, max_length=200)]
TICKS = 3
YEAR_SECONDS = 366 * 86400


class JobSchedule(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A schedule."""

    name: str
    type: str
    expression: str
    timezone: str
    offset_seconds: float
    spread_seconds: int
    catch_up: Literal["skip", "last", "all"]
    overlap: Literal["skip", "queue_one", "allow"]
    user_id: UUID | None
    connection_id: UUID | None
    subject: str | None
    is_paused: bool
    is_done: Annotated[bool, Meta(description="it has fired once and for all")]
    error: Annotated[str | None, Meta(description="why it cannot be evaluated")]
    last_due_at: datetime | None
    last_fired_at: datetime | None
    last_job_id: UUID | None
    last_reason: Annotated[str | None, Meta(description="why the last tick made no job")]
    next_ticks: Annotated[list[datetime], Meta(description="the next three")]


class ScheduleWanted(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A schedule to be made. It has an `expression`, or fires once `at` a time."""

    name: Annotated[Name, Meta(description="one of the workspace; it never changes")]
    type: Text
    expression: Annotated[Text | None, Meta(description="five cron fields, `@daily`, or `every 90s`")] = None
    at: Annotated[
        Text | None, Meta(description="an instant, or, without an offset from UTC, what the clock in the zone shows")
    ] = None
    timezone: Annotated[Text, Meta(description="IANA name of a zone")] = "UTC"
    offset_seconds: Annotated[
        int, Meta(ge=-YEAR_SECONDS, le=YEAR_SECONDS, description="with `at`: how long after it; negative: before")
    ] = 0
    catch_up: Annotated[Literal["skip", "last", "all"], Meta(description="what becomes of ticks that were missed")] = (
        "last"
    )
    overlap: Annotated[
        Literal["skip", "queue_one", "allow"],
        Meta(description="what becomes of a tick while the job of an earlier one is unfinished"),
    ] = "skip"
    spread_seconds: Annotated[int, Meta(ge=0, le=86400, description="moved by a stable hash inside this window")] = 0
    payload: dict[str, Any] = {}
    user_id: Annotated[UUID | None, Meta(description="whom its jobs concern; with a token: whose it is")] = None
    connection_id: Annotated[UUID | None, Meta(description="it goes when this goes, and waits when this waits")] = None
    subject: Annotated[Text | None, Meta(description="what it is about, as `meeting:42`")] = None


def schedule_view(row: Mapping[str, Any]) -> JobSchedule:
    """A row of schedule_list.sql or schedule_show.sql; the name is the id without the workspace."""
    given = {name: row[name] for name in JobSchedule.__struct_fields__ if name in row}
    return JobSchedule(
        **given,
        name=row["id"].rpartition("/")[2],
        type=row["job_type"],
        is_done=row["done_at"] is not None,
        next_ticks=schedules.next_ticks(row, TICKS),
    )


def when_of(body: ScheduleWanted) -> Schedule | At:
    """When it is to fire.

    Raises:
        Problem: 422: it has no time, two, or one that cannot be read.
    """
    given = {"timezone": body.timezone, "catch_up": body.catch_up, "spread_seconds": body.spread_seconds}
    if (body.at is None) == (body.expression is None):
        raise invalid("$.expression", "Give either an expression, or a time as `at`.")
    if body.expression is not None:
        if body.offset_seconds or body.expression.strip().lower().startswith("at "):
            raise invalid("$.offsetSeconds", "Only what fires once fires before or after something.", "Give `at`.")
        return Schedule(expression=body.expression, overlap=body.overlap, **given)  # type: ignore[arg-type]  # told by name
    try:
        at = datetime.fromisoformat(body.at or "")
    except ValueError:
        raise invalid("$.at", "It is no time.", "Write for instance 2026-03-01T09:00.") from None
    return At(at=at, offset_seconds=body.offset_seconds, **given)  # type: ignore[arg-type]  # told by name

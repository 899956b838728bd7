"""Backfill of a schedule: the ticks of a window that is over and that have not fired."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from crmd.api.problem import invalid
from crmd.due import ticks_between
from crmd.store import schedules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmd.api.route import Call

Instant = Annotated[datetime, Meta(tz=True)]
TICKS_MAX = 1000


class Window(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Which ticks are to be fired."""

    since: Annotated[Instant, Meta(description="later than this")] = msgspec.field(name="from")
    until: Annotated[Instant, Meta(description="earlier than this; no later than now")] = msgspec.field(name="to")
    is_dry_run: Annotated[bool, Meta(description="only say what would fire")] = msgspec.field(
        name="dryRun", default=False
    )


class BackfilledTick(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One tick."""

    due_at: datetime
    answer: Literal["would_fire", "fired", "fired_already"]
    job_id: UUID | None = None


class Backfilled(msgspec.Struct, frozen=True, kw_only=True):
    """The ticks of the window."""

    ticks: list[BackfilledTick]


async def backfilled(call: Call, row: Mapping[str, Any], window: Window) -> Backfilled:
    """Fire the ticks of a schedule that the caller may see, or tell them.

    Args:
        call: The request.
        row: Of schedule_show.sql.
        window: Which ticks.

    Raises:
        Problem: 422: the window does not fit.
        UsageError: It holds too many ticks.
    """
    _check(row["now"], window, timedelta(days=call.state.tick_days()))
    ticks = ticks_between(schedules.timetable_of(row), window.since, window.until, TICKS_MAX)
    done = await schedules.booked(call.state.pool, row["id"], ticks)
    if window.is_dry_run:
        return Backfilled(ticks=[_tick(tick, "fired_already" if tick in done else "would_fire") for tick in ticks])
    async with call.state.acting(
        call.identity,
        "schedules.backfill",
        row["id"],
        workspace_id=row["workspace_id"],
        after=window.since.isoformat(),
        before=window.until.isoformat(),
    ) as found:
        made = {fired["due_at"]: fired["job_id"] for fired in await schedules.backfill(call.state.pool, row, ticks)}
        found["fired"] = len(made)
    for job_id in made.values():
        call.state.changed(row["workspace_id"], job_id)
    return Backfilled(
        ticks=[_tick(tick, "fired" if tick in made else "fired_already", made.get(tick)) for tick in ticks]
    )


def _tick(
    tick: datetime, answer: Literal["would_fire", "fired", "fired_already"], job_id: UUID | None = None
) -> BackfilledTick:
    return BackfilledTick(due_at=tick, answer=answer, job_id=job_id)


def _check(now: datetime, window: Window, proofs: timedelta) -> None:
    if window.until <= window.since:
        raise invalid("$.to", "The window ends before it begins.")
    if window.until > now:
        raise invalid("$.to", "The window reaches into the future.", "What is to come fires by itself.")
    if window.since < now - proofs:
        raise invalid(
            "$.from",
            f"The window begins more than {proofs.days} days ago, and older proofs of what fired are not kept.",
            "Begin later.",
        )

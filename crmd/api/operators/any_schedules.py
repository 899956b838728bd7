"""Schedules of plugins and of all workspaces: listed with their next ticks, paused, resumed, backfilled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from crmd.api.backfilling import Backfilled, Window, backfilled
from crmd.api.problem import not_found
from crmd.api.route import Call, Route, routed
from crmd.api.schedule_view import JobSchedule, schedule_view
from crmd.api.schedules import Resting, Resuming  # noqa: TC001 - route handlers are read at run time
from crmd.store import schedules

if TYPE_CHECKING:
    from collections.abc import Mapping


class AnySchedule(JobSchedule, frozen=True, kw_only=True, rename="camel"):
    """A schedule, and whose it is."""

    id: Annotated[str, Meta(description="`plugin/job-type`, or the workspace and its name")]
    workspace_id: UUID | None
    origin: Annotated[str, Meta(description="`plugin`: declared; `runtime`: made by a caller")]


class AnySchedules(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of schedules, by id."""

    schedules: list[AnySchedule]
    has_more: bool


class AnySchedulesWanted(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which page."""

    workspace_id: UUID | None = None
    after: Annotated[
        Annotated[str, Meta(max_length=500)] | None, Meta(description="behind the schedule of this id")
    ] = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


@routed("GET", "/api/schedules", scope="read", tag="schedules")
async def list_any_schedules(call: Call, query: AnySchedulesWanted) -> AnySchedules:
    """List schedules of all workspaces and of plugins, with their next ticks."""
    rows = await schedules.listed(
        call.state.pool, workspace_id=query.workspace_id, after=query.after or "", limit=query.limit + 1
    )
    return AnySchedules(schedules=[_view(row) for row in rows[: query.limit]], has_more=len(rows) > query.limit)


@routed("POST", "/api/schedules/{scheduleId}/pause", scope="manage", tag="schedules")
async def pause_any_schedule(call: Call, body: Resting) -> AnySchedule:
    """Let a schedule rest. A slash in its id is sent as %2F."""
    return await _set_paused(call, is_paused=True, reason=body.reason or None)


@routed("POST", "/api/schedules/{scheduleId}/resume", scope="manage", tag="schedules")
async def resume_any_schedule(call: Call, body: Resuming) -> AnySchedule:
    """Let a schedule go on, from its next tick unless those of the pause are to be made up for."""
    return await _set_paused(call, is_paused=False, is_made_up=body.is_made_up)


@routed("POST", "/api/schedules/{scheduleId}/backfill", scope="manage", tag="schedules")
async def backfill_any_schedule(call: Call, body: Window) -> Backfilled:
    """Fire the ticks of a window that is over and that have not fired, or tell them."""
    return await backfilled(call, await _found(call), body)


async def _set_paused(
    call: Call, *, is_paused: bool, is_made_up: bool = False, reason: str | None = None
) -> AnySchedule:
    row = await _found(call)
    verb = "schedules.pause" if is_paused else "schedules.resume"
    async with call.state.acting(
        call.identity, verb, row["id"], workspace_id=row["workspace_id"], is_made_up=is_made_up or None, reason=reason
    ):
        await schedules.set_paused(call.state.pool, row["id"], is_paused=is_paused, is_made_up=is_made_up)
    return _view(await _found(call))


async def _found(call: Call) -> Mapping[str, Any]:
    row = await schedules.show(call.state.pool, call.path["scheduleId"])
    if row is None:
        raise not_found("schedule")
    return row


def _view(row: Mapping[str, Any]) -> AnySchedule:
    return AnySchedule(
        **msgspec.structs.asdict(schedule_view(row)),
        id=row["id"],
        workspace_id=row["workspace_id"],
        origin=row["origin"],
    )


ROUTES: tuple[Route, ...] = (list_any_schedules, pause_any_schedule, resume_any_schedule, backfill_any_schedule)

"""Routes of a workspace's schedules: made at run time, listed, paused, resumed, backfilled, removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta

from crmd.api import making
from crmd.api.backfilling import Backfilled, Window, backfilled
from crmd.api.making import Kept
from crmd.api.problem import Problem, invalid, not_found
from crmd.api.route import RAW, Answer, Call, Route, routed
from crmd.api.schedule_view import JobSchedule, Name, ScheduleWanted, schedule_view, when_of
from crmd.connections import account
from crmd.scheduling import NewSchedule
from crmd.store import schedules
from crmd.store.pools import Connection  # noqa: TC001 - route handlers are read at run time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmd.job_type import JobType


class JobSchedules(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of schedules, by name."""

    schedules: list[JobSchedule]
    has_more: bool


class SchedulesWanted(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which page."""

    user_id: Annotated[UUID | None, Meta(description="whom their jobs concern")] = None
    after: Annotated[Name | None, Meta(description="behind the schedule of this name")] = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class Resuming(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """How a schedule goes on."""

    is_made_up: Annotated[bool, Meta(description="its rule for missed ticks decides about those of the pause")] = False


class Resting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a schedule is paused."""

    reason: Annotated[str, Meta(max_length=500)] = ""


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """It is gone; jobs that it has made stay."""

    success: bool


@routed("GET", "/api/workspaces/{workspaceId}/schedules", scope="read", tag="schedules")
async def list_schedules(call: Call, query: SchedulesWanted) -> JobSchedules:
    """List schedules of the workspace with their next ticks."""
    after = "" if query.after is None else _id(call, query.after)
    async with call.state.sight(call.workspace_id) as connection:
        rows = await schedules.listed(
            connection, workspace_id=call.workspace_id, user_id=query.user_id, after=after, limit=query.limit + 1
        )
    return JobSchedules(schedules=[schedule_view(row) for row in rows[: query.limit]], has_more=len(rows) > query.limit)


@routed("POST", "/api/workspaces/{workspaceId}/schedules", scope="manage", tag="schedules", status=201,
        is_idempotent=True, problems=(409,))  # fmt: skip
async def create_schedule(call: Call, body: ScheduleWanted) -> Answer[JobSchedule]:
    """Make a schedule."""
    new = await _new(call, body)

    async def work(connection: Connection) -> Kept:
        if await schedules.show(connection, _id(call, body.name)) is not None:
            raise Problem(409, "conflict", "There is a schedule of that name.", hint="Remove it first.")
        [schedule_id] = await schedules.schedule(connection, new)
        row = await schedules.show(connection, schedule_id)
        assert row is not None  # noqa: S101 - it was made in this transaction
        return Kept(201, schedule_view(row))

    key = call.request.headers.get("Idempotency-Key")
    async with call.state.acting(
        call.identity, "schedules.add", new.name, workspace_id=call.workspace_id, job_type=new.job_type
    ):
        kept, is_replayed = await making.once(call, key, call.request[RAW], work)
    made = msgspec.convert(kept.body, JobSchedule) if is_replayed else kept.body
    return Answer(made, kept.status, {"Idempotency-Replayed": "true"} if is_replayed else None)


@routed("GET", "/api/workspaces/{workspaceId}/schedules/{name}", scope="read", tag="schedules")
async def get_schedule(call: Call) -> JobSchedule:
    """Look at one schedule."""
    return schedule_view(await _found(call))


@routed("POST", "/api/workspaces/{workspaceId}/schedules/{name}/pause", scope="manage", tag="schedules")
async def pause_schedule(call: Call, body: Resting) -> JobSchedule:
    """Let a schedule rest."""
    return await _set_paused(call, is_paused=True, reason=body.reason or None)


@routed("POST", "/api/workspaces/{workspaceId}/schedules/{name}/resume", scope="manage", tag="schedules")
async def resume_schedule(call: Call, body: Resuming) -> JobSchedule:
    """Let a schedule go on, from its next tick unless those of the pause are to be made up for."""
    return await _set_paused(call, is_paused=False, is_made_up=body.is_made_up)


@routed("POST", "/api/workspaces/{workspaceId}/schedules/{name}/backfill", scope="manage", tag="schedules")
async def backfill_schedule(call: Call, body: Window) -> Backfilled:
    """Fire the ticks of a window that is over and that have not fired, or tell them."""
    row = await _found(call)
    making.job_type_of(call, row["job_type"], "path.name")
    return await backfilled(call, row, body)


@routed("DELETE", "/api/workspaces/{workspaceId}/schedules/{name}", scope="manage", tag="schedules")
async def remove_schedule(call: Call) -> Dropped:
    """Drop a schedule."""
    row = await _found(call)
    async with call.state.acting(call.identity, "schedules.remove", row["id"], workspace_id=call.workspace_id):
        dropped = await schedules.unschedule(call.state.pool, call.path["name"], workspace_id=call.workspace_id)
    return Dropped(success=dropped > 0)


async def _set_paused(
    call: Call, *, is_paused: bool, is_made_up: bool = False, reason: str | None = None
) -> JobSchedule:
    row = await _found(call)
    verb = "schedules.pause" if is_paused else "schedules.resume"
    async with call.state.acting(
        call.identity, verb, row["id"], workspace_id=call.workspace_id, is_made_up=is_made_up or None, reason=reason
    ):
        await schedules.set_paused(call.state.pool, row["id"], is_paused=is_paused, is_made_up=is_made_up)
    return schedule_view(await _found(call))


async def _found(call: Call) -> Mapping[str, Any]:
    async with call.state.sight(call.workspace_id) as connection:
        row = await schedules.show(connection, _id(call, call.path["name"]))
    if row is None:
        raise not_found("schedule")
    return row


def _id(call: Call, name: str) -> str:
    return f"{call.workspace_id}/{name}"


async def _new(call: Call, body: ScheduleWanted) -> NewSchedule:
    job_type = making.job_type_of(call, body.type)
    user_id = call.identity.user_id
    if user_id is not None and body.user_id not in {None, user_id}:
        raise invalid("$.userId", "It is another user's than the token's.")
    payload = body.payload
    if body.connection_id is not None:
        payload = await _with_connection(call, job_type, body.connection_id, payload)
    return NewSchedule(
        name=body.name,
        job_type=job_type.name,
        when=when_of(body),
        payload=msgspec.json.decode(making.encoded(call, job_type, payload)),
        workspace_id=call.workspace_id,
        user_id=user_id or body.user_id,
        connection_id=body.connection_id,
        subject=body.subject,
    )


async def _with_connection(
    call: Call, job_type: JobType, connection_id: UUID, payload: dict[str, Any]
) -> dict[str, Any]:
    assert call.workspace_id is not None  # noqa: S101 - it is in the address
    async with call.state.sight(call.workspace_id) as connection:
        found = await account.find(connection, call.workspace_id, connection_id)
    if found is None:
        raise invalid("$.connectionId", "The workspace has no such connection.")
    return payload if job_type.connection is None else {job_type.connection: str(connection_id), **payload}


ROUTES: tuple[Route, ...] = (
    list_schedules, create_schedule, get_schedule, pause_schedule, resume_schedule, backfill_schedule, remove_schedule,
)  # fmt: skip

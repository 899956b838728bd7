"""Queues and limits as they stand, and what operators change about queues for all daemons at once."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from crmd.api.problem import Problem, not_found
from crmd.api.route import Call, Route, routed
from crmd.store import limits, tuning

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

Why = Annotated[str, Meta(min_length=1, max_length=500, description="kept for those who look later")]
BY_REQUEST = "by an operator over the API"


class Queue(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One queue."""

    name: str
    running: int
    due: Annotated[int, Meta(description="that could run now")]
    scheduled: Annotated[int, Meta(description="that are due later")]
    daemons: Annotated[int, Meta(description="that work for it")]
    slots_set: Annotated[int | None, Meta(description="in each daemon, set by an operator")]
    slots_fleet: Annotated[int | None, Meta(description="over all daemons")]
    slots_fleet_set: Annotated[int | None, Meta(description="over all daemons, set by an operator")]
    reason: Annotated[str | None, Meta(description="why it was set")]
    is_paused: bool
    pause_reason: str | None
    paused_until: Annotated[datetime | None, Meta(description="null: until it is resumed")]
    oldest_due_at: datetime | None


class Queues(msgspec.Struct, frozen=True, kw_only=True):
    """All of them, by name."""

    queues: list[Queue]


class QueuePause(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a queue is paused."""

    reason: Why = BY_REQUEST
    seconds: Annotated[
        Annotated[float, Meta(ge=1, le=31_536_000)] | None, Meta(description="until it is resumed when left out")
    ] = None


class QueueResume(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why it goes on."""

    reason: Why = BY_REQUEST


class QueueRoom(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much room a queue gets; null: as the daemons are configured."""

    slots: Annotated[Annotated[int, Meta(ge=1, le=10_000)] | None, Meta(description="in each daemon")] = None
    max: Annotated[Annotated[int, Meta(ge=1, le=100_000)] | None, Meta(description="over all daemons")] = None
    reason: Why = BY_REQUEST


class LimitedKey(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A key that is limited, weighed or paused, or whose gate is closed."""

    key: str
    max: Annotated[int | None, Meta(description="running jobs at a time")]
    is_set: Annotated[bool, Meta(description="by an operator")]
    running: int
    waiting: int
    fullest: Annotated[int | None, Meta(description="of a limit per value: how many run of the fullest")]
    weight: float | None
    reason: str | None
    is_closed: bool
    why_closed: str | None
    closed_until: Annotated[datetime | None, Meta(description="null: until somebody opens it")]


class SharedRate(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A token bucket that all daemons share."""

    name: str
    units_per_second: float
    units_per_second_now: float
    burst: float
    pace: Annotated[float, Meta(description="1: as declared; less: slowed down after refusals")]
    units_left: float
    slowed_at: datetime | None
    slowed_for: str | None


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What holds jobs back."""

    keys: list[LimitedKey]
    gates: Annotated[list[LimitedKey], Meta(description="those of the keys that are closed")]
    rates: list[SharedRate]


@routed("GET", "/api/queues", scope="read", tag="queues")
async def list_queues(call: Call) -> Queues:
    """List the queues with what runs, waits and rests."""
    return Queues(queues=[queue_view(row) for row in await tuning.queues(call.state.pool, [])])


@routed("POST", "/api/queues/{queue}/pause", scope="manage", tag="queues")
async def pause_queue(call: Call, body: QueuePause) -> Queue:
    """Let a queue rest on all daemons; what runs goes on."""
    key = await _key(call)
    async with call.state.acting(call.identity, "queues.pause", key, reason=body.reason, seconds=body.seconds):
        await tuning.pause(call.state.pool, key, reason=body.reason, seconds=body.seconds)
    return await _found(call)


@routed("POST", "/api/queues/{queue}/resume", scope="manage", tag="queues", problems=(409,))
async def resume_queue(call: Call, body: QueueResume) -> Queue:
    """Let a paused queue go on."""
    key = await _key(call)
    async with call.state.acting(call.identity, "queues.resume", key, reason=body.reason):
        if not await tuning.resume(call.state.pool, key):
            raise Problem(409, "conflict", "The queue is not paused.")
    return await _found(call)


@routed("POST", "/api/queues/{queue}/resize", scope="manage", tag="queues")
async def resize_queue(call: Call, body: QueueRoom) -> Queue:
    """Give a queue more or less room, at once and over restarts."""
    key = await _key(call)
    async with (
        call.state.acting(call.identity, "queues.resize", key, reason=body.reason, slots=body.slots, most=body.max),
        call.state.pool.acquire() as connection,
        connection.transaction(),
    ):
        await tuning.untune(connection, key)
        if body.slots is not None or body.max is not None:
            await tuning.tune(connection, key, reason=body.reason, most=body.max, slots=body.slots)
    return await _found(call)


@routed("GET", "/api/limits", scope="read", tag="queues")
async def list_limits(call: Call) -> Limits:
    """List limits, closed gates and shared rates as they stand."""
    known = LimitedKey.__struct_fields__
    keys = [
        LimitedKey(**{name: row[name] for name in known}) for row in map(dict, await tuning.limits(call.state.pool))
    ]
    rates = [_rate(dict(row)) for row in await limits.list_rates(call.state.pool)]
    return Limits(keys=keys, gates=[one for one in keys if one.is_closed], rates=rates)


def _rate(row: Mapping[str, Any]) -> SharedRate:
    given = {name: row[name] for name in SharedRate.__struct_fields__ if name != "slowed_for"}
    return SharedRate(slowed_for=None if row["slowed_for"] is None else str(row["slowed_for"]), **given)


async def _key(call: Call) -> str:
    await _found(call)
    return f"queue:{call.path['queue']}"


async def _found(call: Call) -> Queue:
    for row in await tuning.queues(call.state.pool, []):
        if row["queue"] == call.path["queue"]:
            return queue_view(row)
    raise not_found("queue")


def queue_view(row: Mapping[str, Any]) -> Queue:
    """A row of queue_list.sql."""
    given = {name: row[name] for name in Queue.__struct_fields__ if name != "name"}
    return Queue(name=row["queue"], **given)


ROUTES: tuple[Route, ...] = (list_queues, pause_queue, resume_queue, resize_queue, list_limits)

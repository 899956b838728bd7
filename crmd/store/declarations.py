"""What the loaded plugins declare, written to the database, so that SQL enqueues as Python does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from crmd.model import Unique
from crmd.store.events import declare_projections, hear_jobs
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from crmd.job_type import JobType
    from crmd.model import Schedule
    from crmd.overriding import Key
    from crmd.projection import Projection
    from crmd.store.pools import Connection

_SQL = load_queries("crmd.store")
NOT_UNIQUE = Unique()
# Two daemons that start together take turns: the second finds everything written.
LOCK_KEY = 0x63726D64_6465636C
# So many waiting jobs are given the lane of changed keys at once; a daemon does the rest, page by page.
RELANED_PAGE = 2000
RELANED_PAGES = 10


@dataclass(frozen=True, slots=True)
class Declared:
    """A job type with its keys and the first tick of its schedule."""

    job_type: JobType
    keys: Sequence[Key]
    next_due_at: datetime | None


async def declare(
    connection: Connection,
    plugins: Sequence[str],
    declared: Sequence[Declared],
    projections: Sequence[Projection] = (),
) -> None:
    """Write job types, limits, triggers, schedules and projections of the loaded plugins, and take back the others.

    What belongs to a plugin that is not loaded here is left alone: another daemon may have it.
    """
    async with connection.transaction():
        await connection.fetch(_SQL.declare_lock, LOCK_KEY)
        await connection.execute(_SQL.declare_job_types, list(plugins), _json([_type_row(d) for d in declared]))
        await connection.execute(_SQL.declare_limits, _json([_limit_row(key) for d in declared for key in d.keys]))
        names = [d.job_type.name for d in declared]
        await connection.execute(_SQL.declare_triggers, names, _json(_trigger_rows(declared)))
        await connection.execute(_SQL.declare_schedules, list(plugins), _json(_schedule_rows(declared)))
        await declare_projections(connection, plugins, projections)
    await hear_jobs(connection)
    for _ in range(RELANED_PAGES):
        if not await connection.fetchval(_SQL.relane, RELANED_PAGE):
            break


async def clock(connection: Connection) -> datetime:
    """The database's clock, which alone decides."""
    now: datetime = await connection.fetchval(_SQL.clock)
    return now


def _type_row(declared: Declared) -> Mapping[str, Any]:
    job_type = declared.job_type
    unique = job_type.unique or NOT_UNIQUE
    return {
        "name": job_type.name,
        "plugin": job_type.plugin,
        "aliases": list(job_type.aliases),
        "queue": job_type.queue,
        "priority": job_type.priority,
        "max_attempts": job_type.max_attempts,
        "keys": [key.as_json() for key in declared.keys],
        "unique_scope": None if job_type.unique is None else unique.scope,
        "unique_seconds": unique.seconds,
        "unique_fields": None if unique.fields is None else list(unique.fields),
        "unique_on_conflict": unique.on_conflict,
        "unique_delay_seconds": unique.delay_seconds,
        "unique_max_delay_seconds": unique.max_delay_seconds,
        "expires_seconds": job_type.expires_seconds,
        "payload_version": job_type.version,
        "payload_schema": msgspec.json.schema(job_type.payload_type),
        "description": job_type.description,
        "is_payload_sealed": job_type.is_payload_sealed,
    }


def _limit_row(key: Key) -> Mapping[str, Any]:
    return {"name": key.name, "max": key.max, "is_local": key.is_local, "floor": key.floor}


def _trigger_rows(declared: Sequence[Declared]) -> list[Mapping[str, Any]]:
    return [
        {
            "event_type": trigger.event,
            "job_type": d.job_type.name,
            "fields": d.job_type.payload_fields(),
            "delay_seconds": trigger.delay_seconds,
            "gives": trigger.gives,
            "is_ordered": trigger.is_ordered,
            "condition": trigger.condition,
            "priority": trigger.priority,
            "dedup": trigger.dedup,
            "max_delay_seconds": trigger.max_delay_seconds,
        }
        for d in declared
        for trigger in d.job_type.triggers
    ]


def _schedule_rows(declared: Sequence[Declared]) -> list[Mapping[str, Any]]:
    return [
        _schedule_row(d.job_type, d.job_type.schedule, d.next_due_at)
        for d in declared
        if d.job_type.schedule is not None and d.next_due_at is not None
    ]


def _schedule_row(job_type: JobType, schedule: Schedule, next_due_at: datetime) -> Mapping[str, Any]:
    return {
        "id": f"{job_type.plugin}/{job_type.name}",
        "job_type": job_type.name,
        "expression": schedule.expression,
        "timezone": schedule.timezone,
        "catch_up": schedule.catch_up,
        "catch_up_max": schedule.catch_up_max,
        "overlap": schedule.overlap,
        "spread_seconds": schedule.spread_seconds,
        "next_due_at": next_due_at,
    }


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)

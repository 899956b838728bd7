"""Figures of the whole fleet: gathered by one daemon for all, at most every few seconds, and kept in the database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from crmd.clock import boot_seconds
from crmd.store.queries import load_queries
from crmd.tally import OTHER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmd.store.pools import Connection, Pool

_SQL = load_queries("crmd.store")
# Any constant that is the same in every daemon.
LOCK_KEY = 0x63726D64_66696773
FRESH_SECONDS = 5.0
# However much waits, looking takes no more than this share of a connection's time; it rests for half a minute at most.
COST_SHARE = 0.05
FRESH_SECONDS_MAX = 30.0
# What was made a moment ago may be in a transaction that is still open: it is counted when it has had time to commit.
SETTLED_AFTER = timedelta(seconds=10)
# Nobody has looked for longer: what was made before this much is not counted any more, or the look would take too long.
COUNTED_MAX = timedelta(minutes=2)
NAMES_MAX = 500
# The catalogue's event types by their first word; further ones are told apart if somebody waits for them.
FAMILIES = (
    "account", "ai", "calendar", "campaign", "contact", "email", "interaction", "job", "lead", "sync", "user",
)  # fmt: skip


class Waiting(msgspec.Struct, frozen=True, rename="camel"):
    """Waiting jobs of one queue; `due_seconds` is the age of the one that has been due for longest."""

    queue: str
    due: int
    scheduled: int
    held: int
    due_seconds: float
    is_served: bool


class Running(msgspec.Struct, frozen=True, rename="camel"):
    """Running jobs of one queue."""

    queue: str
    jobs: int
    oldest_seconds: float


class Trouble(msgspec.Struct, frozen=True, rename="camel"):
    """Jobs of one type that ended dead or failed within a day and were not redriven."""

    type: str
    status: str
    jobs: int
    last_hour: int


class Lost(msgspec.Struct, frozen=True, rename="camel"):
    """A daemon that ended without a word, and whether one that was started later lives on its host."""

    id: UUID
    host: str
    at: datetime
    is_replaced: bool


class Daemons(msgspec.Struct, frozen=True, rename="camel"):
    """The daemons; `beat_seconds` is the age of the oldest heartbeat of a living one."""

    alive: int = 0
    draining: int = 0
    beat_seconds: float = 0.0
    lost: tuple[Lost, ...] = ()


class Schedules(msgspec.Struct, frozen=True, rename="camel"):
    """The schedules; `late_seconds` is how late the latest is."""

    ok: int = 0
    late: int = 0
    paused: int = 0
    broken: int = 0
    late_seconds: float = 0.0


class Connected(msgspec.Struct, frozen=True, rename="camel"):
    """Connections at one provider in one state; `sync_seconds` is the age of the oldest last sync."""

    provider: str
    state: str
    connections: int
    stale: int
    sync_seconds: float


class Fleet(msgspec.Struct, frozen=True, rename="camel"):
    """What figures_fleet.sql answers, and how long all of it took to gather."""

    waiting: tuple[Waiting, ...] = ()
    running: tuple[Running, ...] = ()
    retrying: dict[str, int] = {}
    trouble: tuple[Trouble, ...] = ()
    daemons: Daemons = Daemons()
    schedules: Schedules = Schedules()
    connections: tuple[Connected, ...] = ()
    gates: int = 0
    quarantined: tuple[str, ...] = ()
    unknown_effects: int = 0
    cost_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    """The fleet at one moment.

    Attributes:
        age_seconds: How long ago that was.
        enqueued: Jobs by type; only grows.
        emitted: Events by the first word of their type; only grows.
        fleet: The rest.
    """

    age_seconds: float
    enqueued: Mapping[str, int] = field(default_factory=dict)
    emitted: Mapping[str, int] = field(default_factory=dict)
    fleet: Fleet = field(default_factory=Fleet)


@dataclass(frozen=True, slots=True)
class Patience:
    """What counts as late.

    Attributes:
        schedule_seconds: A schedule that has not fired for so long.
        connection_seconds: A connection that has not synced for so long.
    """

    schedule_seconds: float = 300.0
    connection_seconds: float = 86400.0


async def gathered(pool: Pool, patience: Patience) -> Figures | None:
    """The figures, gathered anew unless that was done a moment ago or is being done; None: never yet."""
    async with pool.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(_SQL.figures_get)
        assert row is not None  # noqa: S101 - the statement answers a row whatever there is
        if _is_fresh(row) or not await connection.fetchval(_SQL.figures_turn, LOCK_KEY):
            return _figures(row)
        row = await connection.fetchrow(_SQL.figures_get)  # as whoever had the turn before has left it
        return _figures(row) if _is_fresh(row) else await _gather(connection, row, patience)


def _is_fresh(row: Any) -> bool:  # noqa: ANN401 - of figures_get.sql
    if row["age_seconds"] is None:
        return False
    rest_seconds = _decoded(row["fleet"]).cost_seconds / COST_SHARE
    fresh_seconds: float = min(max(rest_seconds, FRESH_SECONDS), FRESH_SECONDS_MAX)
    return bool(0 <= row["age_seconds"] < fresh_seconds)


async def _gather(connection: Connection, row: Any, patience: Patience) -> Figures:  # noqa: ANN401 - of figures_get.sql
    began_at = boot_seconds()
    now: datetime = row["now"]
    counted_to = now - SETTLED_AFTER
    counted_from = max(row["counted_to"] or counted_to, counted_to - COUNTED_MAX)
    enqueued, emitted = _counts(row["enqueued"]), _counts(row["emitted"])
    if counted_from < counted_to:
        made = await connection.fetchrow(
            _SQL.figures_made, first_id(counted_from), first_id(counted_to), counted_from - SETTLED_AFTER, FAMILIES
        )
        assert made is not None  # noqa: S101 - aggregates answer a row
        _add(enqueued, _counts(made["enqueued"]))
        _add(emitted, _counts(made["emitted"]))
    else:  # the database's clock has gone back
        counted_to = counted_from
    fleet = _decoded(
        await connection.fetchval(_SQL.figures_fleet, patience.schedule_seconds, patience.connection_seconds)
    )
    fleet = msgspec.structs.replace(fleet, cost_seconds=boot_seconds() - began_at)
    await connection.execute(
        _SQL.figures_put,
        now,
        counted_to,
        *(msgspec.to_builtins(value) for value in (enqueued, emitted, fleet)),
    )
    return Figures(0.0, enqueued, emitted, fleet)


def first_id(at: datetime) -> UUID:
    """The least id that is made at an instant."""
    return UUID(int=int(at.timestamp() * 1000) << 80)


def _figures(row: Any) -> Figures | None:  # noqa: ANN401 - of figures_get.sql
    if row["age_seconds"] is None:
        return None
    return Figures(row["age_seconds"], _counts(row["enqueued"]), _counts(row["emitted"]), _decoded(row["fleet"]))


def _decoded(value: Any) -> Fleet:  # noqa: ANN401 - JSON
    return msgspec.convert(value, Fleet)


def _counts(value: Any) -> dict[str, int]:  # noqa: ANN401 - JSON
    return {} if value is None else msgspec.convert(value, dict[str, int])


def _add(counts: dict[str, int], more: Mapping[str, int]) -> None:
    for name, count in more.items():
        kept = name if name in counts or len(counts) < NAMES_MAX else OTHER
        counts[kept] = counts.get(kept, 0) + count

"""Accounts of what plugins did to daemons, and plugins that are quarantined for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from crmd.store.pools import Connection, Pool

_SQL = load_queries("crmd.store")
# So many jobs of a plugin that crash within so long put it into quarantine.
CRASHED_JOBS_MAX = 3
WITHIN_SECONDS = 600.0
# Until one of its jobs may try; twice as long after each that crashes again, up to a day.
PROBE_SECONDS = 600.0
KEPT_DAYS = 30


async def add(connection: Connection | Pool, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add accounts to those of the day. For a connection that passes JSON as bytes."""
    await connection.execute(_SQL.blame_add, msgspec.json.encode(rows))


async def listed(connection: Connection | Pool, days: int) -> list[Any]:
    """The accounts of the last days, and who is quarantined."""
    return await connection.fetch(_SQL.blame_list, days)


async def sweep(connection: Connection | Pool) -> None:
    """Forget what is old."""
    await connection.execute(_SQL.blame_sweep, KEPT_DAYS)


async def book_crash(
    connection: Connection | Pool, plugin: str, job_id: UUID, reason: str, version: str
) -> float | None:
    """Note a crash; answers the seconds until its first probe if the plugin was quarantined for it just now."""
    limits = (CRASHED_JOBS_MAX, WITHIN_SECONDS, PROBE_SECONDS)
    row = await connection.fetchrow(_SQL.crash_book, plugin, job_id, reason, version, *limits)
    return row["probe_seconds"] if row is not None and row["is_new"] else None


async def probe(connection: Connection | Pool, job_types: Sequence[str]) -> list[Any]:
    """Let one job of each quarantined plugin try whose time has come; answers (plugin, probe_job)."""
    return await connection.fetch(_SQL.quarantine_probe, job_types, PROBE_SECONDS)


async def release(connection: Connection | Pool, plugin: str, *, tried_by: UUID | None = None) -> bool:
    """End a quarantine, in any case or if that job was its probe; whether there was one."""
    return bool(await connection.fetchval(_SQL.quarantine_end, plugin, tried_by))


async def release_outdated(connection: Connection | Pool, versions: Mapping[str, str]) -> list[str]:
    """End the quarantines of plugins of which another version is loaded by now; answers their names."""
    rows = await connection.fetch(_SQL.quarantine_outdated, list(versions), list(versions.values()))
    return [row["plugin"] for row in rows]

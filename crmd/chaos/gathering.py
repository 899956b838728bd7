"""Reads what a run has left in its database and in its ledger."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import asyncpg

from crmd.chaos.history import Birth, Claim, End, Left, Tick, Write
from crmd.chaos.workload.mark import read_marks
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from crmd.chaos.history import Struck
    from crmd.chaos.workload.mark import Mark

_SQL = load_queries("crmd.chaos")
READ_SECONDS = 120.0


async def read_database(dsn: str) -> dict[str, Any]:
    """The parts of a history that the database knows, by their names in `History`."""
    connection = await asyncpg.connect(dsn, timeout=READ_SECONDS, command_timeout=READ_SECONDS)
    try:
        return {
            "claims": [_claim(row) for row in await connection.fetch(_SQL.claims)],
            "writes": [_write(row) for row in await connection.fetch(_SQL.writes)],
            "ends": [_end(row) for row in await connection.fetch(_SQL.ends)],
            "left": [Left(row["id"], row["type"], row["place"]) for row in await connection.fetch(_SQL.left)],
            "births": [Birth(row["pid"], row["born_seconds"]) for row in await connection.fetch(_SQL.births)],
            "ticks": [_tick(row) for row in await connection.fetch(_SQL.ticks)],
        }
    finally:
        await connection.close()


async def server_ahead_seconds(dsn: str) -> float:
    """How far the server's clock is ahead of ours; what is less than the way there and back is nothing."""
    connection = await asyncpg.connect(dsn, timeout=READ_SECONDS)
    try:
        sent_at = time.time()
        theirs: float = await connection.fetchval(_SQL.server_clock)
        got_at = time.time()
    finally:
        await connection.close()
    return 0.0 if sent_at <= theirs <= got_at else theirs - (sent_at + got_at) / 2


def ledger_marks(ledger: Path) -> Sequence[Mark]:
    """The ledger's lines, their times as those of a wall clock."""
    boot_at = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return [_at_wall(mark, boot_at) for mark in read_marks(ledger)]


def in_server_time(struck: Sequence[Struck], ahead_seconds: float) -> Sequence[Struck]:
    """Faults by the server's clock."""
    if ahead_seconds == 0.0:
        return struck
    return [
        replace(one, began_at=one.began_at + ahead_seconds, ended_at=one.ended_at + ahead_seconds) for one in struck
    ]


def _at_wall(mark: Mark, boot_at: float) -> Mark:
    return mark.__class__(
        mark.stage, mark.job_id, mark.fence, mark.claim_id, mark.pid, mark.boot_seconds + boot_at, mark.name
    )


def _claim(row: Any) -> Claim:  # noqa: ANN401 - a row of claims.sql
    names = ("job_id", "fence", "claim_id", "pid", "is_daemon_dead", "type", "lane", "unique_key", "attempt")
    fields = {name: row[name] for name in names}
    return Claim(
        **fields,
        snooze_count=row["snooze_count"],
        due_at=row["due_seconds"],
        claimed_at=row["claimed_seconds"],
        gone_at=row["gone_seconds"],
    )


def _write(row: Any) -> Write:  # noqa: ANN401 - a row of writes.sql
    names = ("id", "job_id", "name", "fence", "claim_id", "workspace_id", "seen_count")
    held = ("held_fence", "held_claim_id", "held_workspace_id")
    return Write(**{name: row[name] for name in (*names, *held)}, written_at=row["written_seconds"])


def _end(row: Any) -> End:  # noqa: ANN401 - a row of ends.sql
    names = ("type", "status", "fence", "attempt", "max_attempts", "crash_count", "parent_id", "unique_key")
    fields = {name: row[name] for name in names}
    return End(
        **fields,
        job_id=row["id"],
        key=row["key"] or "",
        schedule_id=row["schedule_id"],
        finished_at=row["finished_seconds"],
    )


def _tick(row: Any) -> Tick:  # noqa: ANN401 - a row of ticks.sql
    return Tick(row["schedule_id"], row["due_seconds"], row["job_id"])

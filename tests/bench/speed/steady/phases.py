"""The phases in their order, and how one is gone through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from speed.steady import trouble
from speed.steady.stage import DEAD_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from speed.steady.stage import Stage

RATE = 800.0
SURGE = 2400.0
P99_MAX_MS = 100.0
DONE_MIN = 0.97
# A job that is offered in the last moment of a phase may end a little after it.
GRACE_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What happens for a while.

    Attributes:
        name: For people.
        harm: What goes wrong meanwhile.
        rate: Jobs offered a second.
        share: How long it takes, of a usual phase.
        is_keyed: Offers carry keys, since answers to some get lost.
        is_continued: It begins while jobs of the one before may wait.
        p99_max_ms: What the wait for the start may not exceed.
        done_min: The share of what was offered that has to be done when it ends.
    """

    name: str
    harm: Callable[[Stage, float], AbstractAsyncContextManager[None]] = trouble.nothing
    rate: float = RATE
    share: float = 1.0
    is_keyed: bool = False
    is_continued: bool = False
    p99_max_ms: float | None = None
    done_min: float | None = DONE_MIN


PHASES = (
    Phase(name="clean", p99_max_ms=P99_MAX_MS),
    Phase(name="four readers", harm=trouble.readers, p99_max_ms=P99_MAX_MS),
    Phase(name="held snapshot", harm=trouble.snapshot, share=1.6, p99_max_ms=P99_MAX_MS),
    Phase(name="2,400 jobs/s after it", rate=SURGE, is_continued=True),
    Phase(name="sessions terminated", harm=trouble.terminated, is_keyed=True),
    Phase(name="connections exhausted", harm=trouble.exhausted),
    Phase(name="database stopped", harm=trouble.stopped, done_min=None),
    Phase(name="two daemons, kills", harm=trouble.killed),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What was measured of a phase while it lasted.

    Attributes:
        first: Number of its first job; `last` is that of its last.
        ended_at: By the clock of the database.
        wal_bytes: Log that was written.
        daemon_seconds: Processor time; of the server None where it was stopped meanwhile.
    """

    phase: Phase
    first: int
    last: int
    ended_at: datetime
    backlog: int
    dead_rows: int
    wal_bytes: float
    daemon_seconds: float
    server_seconds: float | None


async def pass_through(stage: Stage, phase: Phase, seconds: float) -> Passed:
    """Go through a phase whose usual length is so many seconds."""
    if not phase.is_continued:
        await stage.until_done()
    database, offers, length = stage.database, stage.offers, phase.share * seconds
    offers.are_keyed = phase.is_keyed
    first, server = offers.offered, database.cluster.pid
    wal, used, used_there = await database.wal_bytes(), stage.used_by_daemons, database.cluster.used_seconds
    async with stage.watched() as samples:
        async with phase.harm(stage, length):
            await offers.at_rate(phase.rate, length)
        await offers.until_answered()
        return Passed(
            phase=phase,
            first=first,
            last=offers.offered - 1,
            ended_at=await database.connection.fetchval("SELECT clock_timestamp()"),
            backlog=max(samples, default=0),
            dead_rows=int(await database.connection.fetchval(DEAD_ROWS) or 0),
            wal_bytes=await database.wal_bytes() - wal,
            daemon_seconds=stage.used_by_daemons - used,
            server_seconds=database.cluster.used_seconds - used_there if server == database.cluster.pid else None,
        )

"""Virtual time: moves the database's clock from one instant at which something falls due to the next.

At each of them the engine's own housekeeping turns and what is due is run, so that schedules fire tick by tick and in
order, retries and sleeping jobs come when they should, and dead daemons are buried. Nothing waits for real time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from crmd.composition import engine_options
from crmd.engine.housekeeping import Housekeeping
from crmd.errors import UsageError
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from crmd.composition import Opened
    from crmd.testing.virtual_daemon import VirtualDaemon

_SQL = load_queries("crmd.testing")
# These work with what an engine runs, of which a workbench has nothing; it claims suspects as it claims other jobs.
_NOT_OURS = frozenset({"auditing", "claiming suspects", "heralding"})
# A step that wants to look again so soon looks at whatever falls due; for a slower one, as retention is, days will do.
WATCHES_SECONDS = 60.0
PACE = timedelta(days=1)
AN_HOUR = timedelta(hours=1)
SCHEDULING = "scheduling"
REAPING = "reaping"  # nobody dies as long as there is no daemon but the workbench's own
_LENGTH = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?(s|m|h|d|w|seconds?|minutes?|hours?|days?|weeks?)", re.ASCII)
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def length_of(length: str | float | timedelta) -> timedelta:
    """Read a length of time: seconds, a timedelta, or a text such as `3 days`, `90s` or `1.5 hours`.

    Raises:
        UsageError: It is none of these.
    """
    if isinstance(length, timedelta):
        return length
    if isinstance(length, int | float):
        return timedelta(seconds=length)
    match = _LENGTH.fullmatch(length[:64])
    if match is None:
        raise UsageError(f"{length[:64]!r} is no length of time.", hint="Write for instance 3 days, 90s or 1.5 hours.")
    return timedelta(seconds=float(match[1]) * _UNIT_SECONDS[match[2][0]])


@dataclass(slots=True)
class _House:
    """The workbench, as the engine's housekeeping looks at it."""

    services: Any
    options: Any
    settler: Any
    daemon_id: UUID | None
    executor: Any = None
    is_alive: bool = True
    may_claim: bool = False

    def wake(self, word: str) -> None:
        """Nobody sleeps here."""


class Travelling:
    """Moves a workbench through time.

    Args:
        everything: What it opened.
        daemon_id: Its own daemon.
        settler: Its settler.
        drain: Runs what is due at one instant.
    """

    def __init__(
        self, everything: Opened, daemon_id: UUID, settler: object, drain: Callable[[], Awaitable[object]]
    ) -> None:
        self._pool = everything.pools.control
        options = engine_options(everything.config, everything.loaded)
        steps = Housekeeping(_House(everything.services, options, settler, daemon_id)).steps()
        self._steps = {name: step for name, step in steps.items() if name not in _NOT_OURS}
        self._steps["vacuuming"] = self._vacuum
        self._turn_at = dict.fromkeys(self._steps, datetime.min.replace(tzinfo=UTC))
        self._drain = drain
        self.daemons: list[VirtualDaemon] = []

    async def travel(self, length: str | float | timedelta) -> None:
        """Let so much time pass: `travel("3 days")`."""
        now, _ = await self._clock()
        await self.until(now + length_of(length))

    async def until(self, at: datetime) -> None:
        """Let time pass until an aware instant; a clock that ran before runs on from there.

        Raises:
            UsageError: The instant lies in the past.
        """
        now, is_frozen = await self._clock()
        if at < now:
            raise UsageError(f"{at.isoformat()} lies in the past: it is {now.isoformat()}.")
        is_tick = False
        await self._pool.execute(_SQL.clock_freeze, now)
        await self._drain()  # what is due already has not waited for the end of anybody's lease
        while True:
            await self._pool.execute(_SQL.clock_freeze, now)
            await self._turn(now, is_tick=is_tick)
            living = [daemon.id for daemon in self.daemons if daemon.is_alive]
            following = await self._pool.fetchrow(_SQL.instant_next, at, living)
            if following is None:
                break
            now, is_tick = following
        await self._pool.execute(_SQL.clock_freeze, at)
        await self._turn(at, is_tick=False)
        if not is_frozen:
            await self._pool.execute(_SQL.clock_run_from, at)

    async def _turn(self, now: datetime, *, is_tick: bool) -> None:
        """One instant: at a mere tick of a schedule the steps that look for other things need not look each time."""
        for daemon in self.daemons:
            if daemon.is_alive:
                await daemon.beat()
        for name, step in self._steps.items():
            patience = AN_HOUR if is_tick and name not in {REAPING, SCHEDULING} else timedelta()
            if self._turn_at[name] + patience <= now and (self.daemons or name != REAPING):
                seconds = await step()
                self._turn_at[name] = now + PACE if seconds > WATCHES_SECONDS else now
        await self._drain()

    async def _vacuum(self) -> float:
        await self._pool.execute(_SQL.rows_vacuum)
        return PACE.total_seconds()

    async def _clock(self) -> tuple[datetime, bool]:
        """What it shows, and whether it stands still."""
        [row] = await self._pool.fetch(_SQL.clock_state)
        return row["now"], row["is_frozen"]

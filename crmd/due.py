"""What a schedule owes now: the ticks to fire, those missed under the catch-up policy, and when to look again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from crmd.cron import read_cron
from crmd.errors import UsageError
from crmd.interval import read_every
from crmd.wallclock import utc_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from crmd.model import CatchUp

_CATCH_UP_MAX = 1000
_ON_TIME = timedelta(seconds=60)


class Timetable(Protocol):
    """Anything that fires at instants."""

    def next_after(self, instant: datetime) -> datetime:
        """The first tick later than the aware `instant`, in UTC."""


@dataclass(frozen=True, slots=True)
class DueTicks:
    """The decision about one schedule.

    Args:
        ticks: To fire now, oldest first; each is its slot's identity (`due_at`).
        last_due_at: The newest slot that counts as handled from now on; never earlier than it was.
        next_due_at: The next tick; always later than both `last_due_at` and the `now` that was asked about.
    """

    ticks: tuple[datetime, ...]
    last_due_at: datetime
    next_due_at: datetime


def read_timetable(text: str, zone: str = "UTC", *, spread_id: str | None = None) -> Timetable:
    """Read a cron expression or `every 15m`; UsageError in one sentence when it is neither."""
    if text.strip().lower().startswith(("every", "@every")):
        return read_every(text)
    return read_cron(text, zone, spread_id=spread_id)


def due_ticks(
    timetable: Timetable,
    last_due_at: datetime,
    now: datetime,
    catch_up: CatchUp,
    catch_up_max: int,
) -> DueTicks:
    """Decide which ticks in (last_due_at, now] to fire.

    A clock that went back is harmless: slots up to `last_due_at` are handled and never looked at again.

    Args:
        timetable: When it fires.
        last_due_at: The newest handled slot; for a new schedule the instant of its making, so it never backfills.
        now: The database's clock.
        catch_up: `skip` fires only a tick at most 60 seconds old, `last` the newest one, `all` up to `catch_up_max`.
        catch_up_max: For `all`: at most this many, the newest ones; 1 to 1,000.
    """
    handled, instant = utc_of(last_due_at), utc_of(now)
    if not 1 <= catch_up_max <= _CATCH_UP_MAX:
        sentence = f"A schedule catches up 1 to {_CATCH_UP_MAX} ticks, not {catch_up_max}."
        raise UsageError(sentence)
    wanted = catch_up_max if catch_up == "all" else 1
    ticks = _newest(timetable, handled, instant, wanted)
    newest = ticks[-1] if ticks else handled
    if catch_up == "skip" and instant - newest > _ON_TIME:
        ticks = ()
    return DueTicks(ticks, newest, timetable.next_after(max(handled, instant)))


def spread_delay(schedule_id: str, spread_seconds: float) -> timedelta:
    """How long after its tick a schedule's job runs, so that thousands of 9:00 rows don't start at once.

    The same id always gets the same delay, in [0, spread_seconds); the tick itself, which names the slot, stays.
    """
    digest = hashlib.sha256(schedule_id.encode("utf-8", "surrogatepass")).digest()
    share = int.from_bytes(digest[:8]) / 2**64
    return timedelta(seconds=int(max(spread_seconds, 0.0) * share * 1000) / 1000)


def _newest(timetable: Timetable, after: datetime, until: datetime, count: int) -> tuple[datetime, ...]:
    """The newest `count` ticks in (after, until].

    Looks back in windows that double, so that a month's outage of an every-minute schedule costs a few steps.
    """
    ticks: tuple[datetime, ...] = ()
    window = timedelta(minutes=1)
    while after < until:
        start = max(after, until - window)
        ticks = tuple(_walk(timetable, start, until))[-count:]
        if len(ticks) == count or start == after:
            break
        window *= 2
    return ticks


def _walk(timetable: Timetable, after: datetime, until: datetime) -> Iterator[datetime]:
    tick = timetable.next_after(after)
    while tick <= until:
        yield tick
        tick = timetable.next_after(tick)

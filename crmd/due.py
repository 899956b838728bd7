"""What a schedule owes now: the ticks to fire, those missed under the catch-up policy, and when to look again."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Protocol

from crmd.cron import read_cron
from crmd.errors import UsageError
from crmd.interval import read_every
from crmd.once import Once, read_once
from crmd.wallclock import utc_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from crmd.model import CatchUp

_CATCH_UP_MAX = 1000
_ON_TIME = timedelta(seconds=60)


class Timetable(Protocol):
    """Anything that fires at instants."""

    def next_after(self, instant: datetime) -> datetime | None:
        """The first tick later than the aware `instant`, in UTC; None: there is none, and never will be."""


@dataclass(frozen=True, slots=True)
class DueTicks:
    """The decision about one schedule.

    Args:
        ticks: To fire now, oldest first; each is its slot's identity (`due_at`).
        last_due_at: The newest slot that counts as handled from now on; never earlier than it was.
        next_due_at: The next tick; always later than both `last_due_at` and the `now` that was asked about. None: done.
    """

    ticks: tuple[datetime, ...]
    last_due_at: datetime
    next_due_at: datetime | None


def read_timetable(
    text: str, zone: str = "UTC", *, spread_id: str | None = None, offset_seconds: float = 0
) -> Timetable:
    """Read a cron expression, `every 15m` or `at 2026-03-01T09:00`; UsageError in one sentence when it is none."""
    start = text.strip().lower()
    if start.startswith("at "):
        return read_once(text, zone, offset_seconds)
    if offset_seconds:
        raise UsageError("Only what fires once fires before or after something.", hint="Give `at` with the offset.")
    if start.startswith(("every", "@every")):
        return read_every(text)
    return read_cron(text, zone, spread_id=spread_id)


def due_ticks(
    timetable: Timetable, last_due_at: datetime, now: datetime, catch_up: CatchUp, catch_up_max: int
) -> DueTicks:
    """Decide which ticks of one schedule in (last_due_at, now] to fire. See `due_together`."""
    [decided] = due_together(timetable, [last_due_at], now, catch_up, catch_up_max)
    return decided


def due_together(
    timetable: Timetable, last_due_ats: Sequence[datetime], now: datetime, catch_up: CatchUp, catch_up_max: int
) -> list[DueTicks]:
    """Decide for schedules that share a timetable and differ in what they have handled, in their order.

    The calendar is walked once for all of them. A clock that went back is harmless: slots up to `last_due_at` are
    handled and never looked at again.

    Args:
        timetable: When they fire.
        last_due_ats: Of each the newest handled slot; for a new schedule the instant of its making, so it never
            backfills.
        now: The database's clock.
        catch_up: `skip` fires only a tick at most 60 seconds old, `last` the newest one, `all` up to `catch_up_max`.
        catch_up_max: For `all`: at most this many, the newest ones; 1 to 1,000.
    """
    instant = utc_of(now)
    if not 1 <= catch_up_max <= _CATCH_UP_MAX:
        sentence = f"A schedule catches up 1 to {_CATCH_UP_MAX} ticks, not {catch_up_max}."
        raise UsageError(sentence)
    if isinstance(timetable, Once):
        return [_due_once(timetable, utc_of(handled), instant, catch_up) for handled in last_due_ats]
    wanted = catch_up_max if catch_up == "all" else 1
    ticks = _newest(timetable, utc_of(min(last_due_ats)), instant, wanted)
    is_late = catch_up == "skip" and bool(ticks) and instant - ticks[-1] > _ON_TIME
    following = timetable.next_after(instant)
    decided = []
    for handled in map(utc_of, last_due_ats):
        owed = ticks[bisect_right(ticks, handled) :]
        next_due_at = following if handled <= instant else timetable.next_after(handled)
        decided.append(DueTicks(() if is_late else owed, owed[-1] if owed else handled, next_due_at))
    return decided


def _due_once(once: Once, handled: datetime, now: datetime, catch_up: CatchUp) -> DueTicks:
    """It fires if it fell due since it was made or moved, or if it was past by then and its subject is still ahead."""
    instant = max(handled, now)
    if once.tick > instant:
        return DueTicks((), handled, once.tick)
    is_owed = once.tick > handled - _ON_TIME or once.subject_at > handled
    if catch_up == "skip":
        is_owed = instant - once.tick <= _ON_TIME
    return DueTicks((once.tick,) if is_owed else (), max(handled, once.tick), None)


def spread_delay(schedule_id: str, spread_seconds: float) -> timedelta:
    """How long after its tick a schedule's job runs, so that thousands of 9:00 rows don't start at once.

    The same id always gets the same delay, in [0, spread_seconds); the tick itself, which names the slot, stays.
    """
    digest = hashlib.sha256(schedule_id.encode("utf-8", "surrogatepass")).digest()
    share = int.from_bytes(digest[:8]) / 2**64
    return timedelta(seconds=int(max(spread_seconds, 0.0) * share * 1000) / 1000)


def ticks_after(timetable: Timetable, instant: datetime) -> Iterator[datetime]:
    """The ticks later than `instant`, for ever or until there is none."""
    tick = timetable.next_after(instant)
    while tick is not None:
        yield tick
        tick = timetable.next_after(tick)


def ticks_between(timetable: Timetable, after: datetime, before: datetime, limit: int) -> list[datetime]:
    """The ticks later than `after` and earlier than `before`; UsageError when there are more than `limit`."""
    ticks = list(islice(takewhile(lambda tick: tick < before, ticks_after(timetable, after)), limit + 1))
    if len(ticks) > limit:
        sentence = f"There are more than {limit:,} ticks in this window."
        raise UsageError(sentence, hint="Make it smaller, or raise the limit with --max.")
    return ticks


def _newest(timetable: Timetable, after: datetime, until: datetime, count: int) -> tuple[datetime, ...]:
    """The newest `count` ticks in (after, until].

    Looks back in windows that double, so that a month's outage of an every-minute schedule costs a few steps.
    """
    ticks: tuple[datetime, ...] = ()
    window = timedelta(minutes=1)
    while after < until:
        start = max(after, until - window)
        ticks = tuple(takewhile(until.__ge__, ticks_after(timetable, start)))[-count:]
        if len(ticks) == count or start == after:
            break
        window *= 2
    return ticks

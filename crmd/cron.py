"""A cron schedule in a time zone: at which instants it fires, daylight saving included.

The rule is Debian cron's. A schedule with a fixed minute and hour fires once for each reading of the clock: in the
first pass of a repeated hour, and at the end of the jump when the clock skips it. A schedule whose minute or hour
begins with a star is a rhythm: it follows elapsed time, so it fires in both passes and not at skipped readings. Only
when a jump skips all that a rhythm inside fixed hours has on a day does it fire once at the jump's end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from crmd.crontab import Crontab, is_hashed, read_crontab
from crmd.wallclock import jump_end, passes, repeat_end, repeat_start, utc_of, zone_of

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

_MINUTE = timedelta(minutes=1)
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """A five-field cron expression in an IANA zone; made by `read_cron`.

    Args:
        expression: As it was written.
        zone: In which its fields are read.
        crontab: What the fields allow.
    """

    expression: str
    zone: ZoneInfo
    crontab: Crontab

    def next_after(self, instant: datetime) -> datetime:
        """The first tick later than the aware `instant`, in UTC."""
        start = utc_of(instant)
        local = start.astimezone(self.zone)
        return self._next_in_rhythm(start, local) if self.crontab.follows_elapsed_time else self._next_fixed(local)

    def between(self, after: datetime, until: datetime, limit: int) -> list[datetime]:
        """The ticks later than `after` and not later than `until`, at most `limit` of them."""
        ticks: list[datetime] = []
        tick = self.next_after(after)
        while tick <= until and len(ticks) < limit:
            ticks.append(tick)
            tick = self.next_after(tick)
        return ticks

    def _next_fixed(self, local: datetime) -> datetime:
        """Readings of a second pass fired in the first one, so a search that starts there starts at its end."""
        start = repeat_end(local, self.zone) - _MINUTE if local.fold else local.replace(tzinfo=None)
        wall = self.crontab.next_wall(start)
        first, second = passes(wall, self.zone)
        return first if first <= second else jump_end(wall, self.zone)

    def _next_in_rhythm(self, start: datetime, local: datetime) -> datetime:
        """In the first pass of a repeated hour the clock will go back: what the second pass shows counts too."""
        tick = self._next_shown(local.replace(tzinfo=None, fold=0), start)
        again = repeat_start(local, self.zone)
        if again is None or tick < again:
            return tick
        return min(tick, self._next_shown(self._wall(again) - _MINUTE, again - _INSTANT))

    def _next_shown(self, wall: datetime, after: datetime) -> datetime:
        """The first instant later than `after` at which the clock shows a matching reading later than `wall`."""
        wall = self.crontab.next_wall(wall)
        first, second = passes(wall, self.zone)
        while first > second:
            if self._is_day_lost(wall):
                return jump_end(wall, self.zone)
            wall = self.crontab.next_wall(self._wall(jump_end(wall, self.zone)) - _MINUTE)
            first, second = passes(wall, self.zone)
        return first if first > after else second

    def _is_day_lost(self, skipped: datetime) -> bool:
        """Whether the jump over `skipped` leaves nothing of its day: a time of day would not lose it either."""
        if not self.crontab.has_fixed_hours:
            return False
        ends = (passes(wall, self.zone) for wall in self.crontab.first_and_last(skipped.date()))
        return all(first > second for first, second in ends)

    def _wall(self, instant: datetime) -> datetime:
        return instant.astimezone(self.zone).replace(tzinfo=None, fold=0)


def read_cron(expression: str, zone: str = "UTC", *, spread_id: str | None = None) -> CronSchedule:
    """Read a cron expression; UsageError in one sentence when it can't be read, never fires, or its zone is unknown.

    Args:
        expression: Five fields as in Debian's cron, or @hourly, @daily, @weekly, @monthly, @yearly. `L` is a month's
            last day, `5L` its last Friday, `2#3` its third Tuesday, `H` a value chosen by the hash of `spread_id`.
        zone: IANA name of the zone whose clock the fields mean.
        spread_id: A stable id of the schedule; needed only for `H`.
    """
    return _read(expression, zone, spread_id if is_hashed(expression) else None)


@lru_cache(maxsize=4096)
def _read(expression: str, zone: str, spread_id: str | None) -> CronSchedule:
    """Thousands of schedules share a few expressions; without `H` their ids make no difference."""
    return CronSchedule(expression, zone_of(zone), read_crontab(expression, spread_id=spread_id))

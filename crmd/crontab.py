"""The five fields of a cron expression as sets of numbers, and the walk over the calendar that they allow."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import TypeAlias, cast

from croniter import croniter
from croniter.croniter import CroniterError

from crmd.errors import UsageError

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FIELD_NAMES = ("minute", "hour", "day of the month", "month", "day of the week")
_FIELD_RANGES = (range(60), range(24), range(1, 32), range(1, 13), range(7))
_DAY_FIELD = 2
_EXPRESSION_MAX = 256
_FIRST_DAY = date(2000, 1, 1)
_CYCLE_DAYS = 28 * 1461 // 4 + 1  # 28 years hold every day of the year on every weekday
_LAST = -1
# croniter's answer: numbers, "*" or "l" by field, and for each weekday with `#` or `L` which of them ("l" is the last).
_Expanded: TypeAlias = tuple[list[list[int | str]], dict[int, set[int | str]]]
_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
# One element of a list: `*`, `H`, a number or name, each with an optional end and step; `L`; `2#3`; `L5`.
_ELEMENT = re.compile(
    r"(?:\*|h(?:\([0-9]{1,2}-[0-9]{1,2}\))?|(?:[0-9]{1,2}|[a-z]{3})(?:-(?:[0-9]{1,2}|[a-z]{3}))?)(?:/[0-9]{1,2})?"
    r"|l[0-7]?|\?|(?:[0-7]|[a-z]{3})#[1-5]",
    re.ASCII,
)
_ONE_VALUE_RANGE = re.compile(r"\A([0-9]{1,2}|[a-z]{3})-\1(?:/[0-9]{1,2})?\Z", re.ASCII)
_HASHED_DAY = re.compile(r"\Ah(?=/|\Z)", re.ASCII)
_LAST_WEEKDAY = re.compile(r"\A([0-7])l\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Crontab:
    """What the fields allow; weekdays count from Sunday = 0.

    Invariant, held by `read_crontab`: some day fits. Weekdays of leap days repeat every 28 years (40 over 2100).

    Args:
        minutes: Minutes of the hour, ascending.
        hours: Hours of the day, ascending.
        days: Days of the month; -1 is the last one.
        months: Months of the year.
        weekdays: Days of the week.
        nth_weekdays: (weekday, n) pairs: the nth one in the month; n = -1 is the last one.
        needs_both_days: Whether day of month and day of week must both fit (one begins with a star) or either.
        follows_elapsed_time: Whether minute or hour begins with a star: then it is a rhythm, not a time of day.
        has_fixed_hours: Whether the hour does not begin with a star: then each day that fits has its ticks.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    nth_weekdays: frozenset[tuple[int, int]]
    needs_both_days: bool
    follows_elapsed_time: bool
    has_fixed_hours: bool

    def next_wall(self, wall: datetime) -> datetime:
        """The first matching reading of a clock without zone after `wall`, to the minute."""
        if self.fits(wall.date()):
            time_of_day = self._next_time(wall.hour, wall.minute)
            if time_of_day is not None:
                return datetime(wall.year, wall.month, wall.day, *time_of_day)  # noqa: DTZ001 - a reading, no instant
        day = self._next_day(wall.date())
        return datetime(day.year, day.month, day.day, self.hours[0], self.minutes[0])  # noqa: DTZ001 - the same

    def fits(self, day: date) -> bool:
        """Whether the expression fires on that day."""
        if day.month not in self.months:
            return False
        by_date = day.day in self.days or (_LAST in self.days and (day + _DAY).day == 1)
        if by_date is not self.needs_both_days:  # the weekday cannot change the answer
            return by_date
        weekday = day.isoweekday() % 7
        return (
            weekday in self.weekdays
            or (weekday, (day.day + 6) // 7) in self.nth_weekdays
            or ((weekday, _LAST) in self.nth_weekdays and (day + _WEEK).month != day.month)
        )

    def first_and_last(self, day: date) -> tuple[datetime, datetime]:
        """The first and the last reading of a day that fits."""
        midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - a reading, no instant
        first = timedelta(hours=self.hours[0], minutes=self.minutes[0])
        return midnight + first, midnight + timedelta(hours=self.hours[-1], minutes=self.minutes[-1])

    def _next_time(self, hour: int, minute: int) -> tuple[int, int] | None:
        at = bisect_left(self.hours, hour)
        if at < len(self.hours) and self.hours[at] == hour:
            later = bisect_right(self.minutes, minute)
            if later < len(self.minutes):
                return hour, self.minutes[later]
            at += 1
        return (self.hours[at], self.minutes[0]) if at < len(self.hours) else None

    def _next_day(self, day: date) -> date:
        """Ends by the invariant: some day fits."""
        day += _DAY
        while not self.fits(day):
            if day.month in self.months:
                day += _DAY
            else:
                day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
        return day


def read_crontab(expression: str, *, spread_id: str | None = None) -> Crontab:
    """Read five fields or an alias such as @daily; UsageError says which field does not fit.

    Args:
        expression: Debian's cron syntax, and `L`, `#` and `H` (a value chosen by hash).
        spread_id: What `H` hashes: a stable id of the schedule. Without it `H` is refused.
    """
    fields = _split(expression)
    expanded, nth = _expand(fields, spread_id)
    sets = [_numbers(values, allowed) for values, allowed in zip(expanded, _FIELD_RANGES, strict=True)]
    ordinals = {(day, _LAST if n == "l" else int(n)) for day, all_n in nth.items() for n in all_n}
    crontab = Crontab(
        minutes=tuple(sorted(sets[0])),
        hours=tuple(sorted(sets[1])),
        days=frozenset(sets[2]),
        months=frozenset(sets[3]),
        weekdays=frozenset(sets[4] - nth.keys()),
        nth_weekdays=frozenset(ordinals),
        needs_both_days=fields[2][0] in "*?" or fields[4][0] in "*?",
        follows_elapsed_time=any(_is_starred(field) for field in fields[:2]),
        has_fixed_hours=not _is_starred(fields[1]),
    )
    if not any(crontab.fits(_FIRST_DAY + at * _DAY) for at in range(_CYCLE_DAYS)):
        sentence = f"The cron expression {expression!r} never fires."
        raise UsageError(sentence, hint="Check its day and month fields: no such day exists.")
    return crontab


@lru_cache(maxsize=4096)
def is_hashed(expression: str) -> bool:
    """Whether it has an `H`, so that schedules of one expression have ticks of their own each."""
    return any(element.startswith("h") for element in expression.lower().replace(",", " ").split())


def _is_starred(field: str) -> bool:
    return field.startswith(("*", "h/"))


def _split(expression: str) -> list[str]:
    if len(expression) > _EXPRESSION_MAX:
        sentence = f"A cron expression has at most {_EXPRESSION_MAX} characters."
        raise UsageError(sentence)
    text = expression.strip().lower()
    if text.startswith("@") and text not in ALIASES:
        sentence = f"{expression!r} is not a schedule that crmd knows."
        raise UsageError(sentence, hint=f"Use five fields, every 15m, or one of {', '.join(sorted(ALIASES))}.")
    fields = ALIASES.get(text, text).split()
    if len(fields) != len(_FIELD_NAMES):
        sentence = f"A cron expression has five fields; {expression!r} has {len(fields)}."
        raise UsageError(sentence, hint="They are minute, hour, day of the month, month and day of the week.")
    return [_normal(field, at, expression) for at, field in enumerate(fields)]


def _normal(field: str, at: int, expression: str) -> str:
    """One field as croniter reads it right: it takes `5-5` for the whole range, and knows only `L5` for `5L`."""
    if at == _DAY_FIELD:
        field = _HASHED_DAY.sub("h(1-28)", field)  # every month has these
    elements = [_LAST_WEEKDAY.sub(r"l\1", element) for element in field.split(",")]
    if not all(_ELEMENT.fullmatch(element) for element in elements):
        raise _unreadable(expression, at)
    return ",".join(_ONE_VALUE_RANGE.sub(r"\1", element) for element in elements)


def _expand(fields: list[str], spread_id: str | None) -> _Expanded:
    text = " ".join(fields)
    if spread_id is None and any(element.startswith("h") for field in fields for element in field.split(",")):
        raise UsageError("A schedule with H needs an id to hash.", hint="Name the schedule, or use fixed numbers.")
    try:
        return cast("_Expanded", croniter.expand(text, hash_id=_hashed(spread_id)))
    except CroniterError as error:
        raise _unreadable(text, _faulty_field(fields, spread_id)) from error


def _faulty_field(fields: list[str], spread_id: str | None) -> int:
    for at, field in enumerate(fields):
        alone = ["*"] * len(fields)
        alone[at] = field
        try:
            croniter.expand(" ".join(alone), hash_id=_hashed(spread_id))
        except CroniterError:
            return at
    return len(fields) - 1


def _hashed(spread_id: str | None) -> bytes | None:
    return None if spread_id is None else spread_id.encode("utf-8", "surrogatepass")


def _unreadable(expression: str, at: int) -> UsageError:
    sentence = f"The {_FIELD_NAMES[at]} field of the cron expression {expression!r} cannot be read."
    allowed = _FIELD_RANGES[at]
    return UsageError(sentence, hint=f"It takes numbers from {allowed[0]} to {allowed[-1]}, ranges, lists and steps.")


def _numbers(values: list[int | str], allowed: range) -> set[int]:
    if values == ["*"]:
        return set(allowed)
    return {_LAST if value == "l" else int(value) for value in values}

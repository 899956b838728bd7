"""Local time against real time: which instants a wall clock's reading names, and when a zone changes its offset."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

from crmd.errors import UsageError

_SECOND = timedelta(seconds=1)
_NAME_MAX = 64  # the longest IANA name has 32 characters


def zone_of(name: str) -> ZoneInfo:
    """The IANA zone of that name; UsageError with the nearest name when there is none."""
    try:
        if len(name) <= _NAME_MAX:
            return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; outside the zone folder; a folder of zones
        pass
    near = difflib.get_close_matches(name[:_NAME_MAX], sorted(available_timezones()), n=1)
    hint = f"Did you mean {near[0]}?" if near else "Use an IANA name such as Europe/Zurich."
    sentence = f"There is no time zone called {name[:_NAME_MAX]!r}."
    raise UsageError(sentence, hint=hint)


def utc_of(instant: datetime) -> datetime:
    """The instant in UTC; UsageError when it carries no zone, since it then names no instant."""
    if instant.utcoffset() is None:
        sentence = f"The time {instant.isoformat()} has no time zone."
        raise UsageError(sentence, hint="Give it with its offset, for instance ...T09:00:00+00:00.")
    return instant.astimezone(UTC)


def passes(wall: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The instants at which a zone's clock shows `wall`, with the offset before and the one after a change.

    Equal: the reading occurs once. First < second: it occurs twice, in a repeated hour. First > second: it never
    occurs, the clock jumps over it, and the jump lies between the two.
    """
    local = wall.replace(tzinfo=zone, fold=0)
    return local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)


def jump_end(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant of the jump over `wall`, a reading that never occurs."""
    before, after = passes(wall, zone)
    return _change(zone, after, before)


def repeat_start(local: datetime, zone: ZoneInfo) -> datetime | None:
    """For a local time in the first pass of a repeated hour, the instant at which the second pass begins."""
    first, second = passes(local.replace(tzinfo=None), zone)
    if local.fold or first >= second:
        return None
    return _change(zone, first, second)


def repeat_end(local: datetime, zone: ZoneInfo) -> datetime:
    """For a local time in the second pass of a repeated hour, the reading that ends it (the first not repeated)."""
    first, second = passes(local.replace(tzinfo=None), zone)
    start = _change(zone, first, second)
    return start.astimezone(zone).replace(tzinfo=None, fold=0) + (second - first)


def _change(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The instant in (low, high] at which the zone leaves the offset it has at `low`, to the second."""
    offset = low.astimezone(zone).utcoffset()
    low = low.replace(microsecond=0)
    seconds = -((low - high) // _SECOND)  # rounded up, so that `high` is inside
    left, right = 0, seconds
    while right - left > 1:
        middle = (left + right) // 2
        if (low + middle * _SECOND).astimezone(zone).utcoffset() == offset:
            left = middle
        else:
            right = middle
    return low + right * _SECOND

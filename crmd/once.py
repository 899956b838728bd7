"""A schedule for once: at an instant or at a reading of a zone's clock, or so long before or after it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from crmd.errors import UsageError
from crmd.wallclock import jump_end, passes, utc_of, zone_of

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from crmd.model import At

_TEXT_MAX = 64  # more than the pattern can match, so that a cut text never passes
_OFFSET_MAX = timedelta(days=366)
_TEXT = re.compile(
    r"at ([0-9]{4}-[0-9]{2}-[0-9]{2}[t ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:z|[+-][0-9]{2}:[0-9]{2})?)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Once:
    """Fires once.

    Args:
        subject_at: Instant of what it is about, in UTC.
        offset: How long after that it fires; negative: before.
    """

    subject_at: datetime
    offset: timedelta = timedelta(0)

    @property
    def tick(self) -> datetime:
        """The one instant at which it fires."""
        return self.subject_at + self.offset

    def next_after(self, instant: datetime) -> datetime | None:
        """The tick, if it is later than the aware `instant`."""
        return self.tick if self.tick > utc_of(instant) else None


def read_once(text: str, zone: str = "UTC", offset_seconds: float = 0) -> Once:
    """Read `at 2026-03-29T02:30`; UsageError when it is no such time.

    Without an offset from UTC it is a reading of the zone's clock: the first pass of a repeated hour, and the jump's
    end when the clock skips it. `offset_seconds` is elapsed time.
    """
    cut = text.strip().lower()[:_TEXT_MAX]
    found = _TEXT.fullmatch(cut)
    offset = timedelta(seconds=offset_seconds)
    if abs(offset) > _OFFSET_MAX:
        raise UsageError("A schedule fires at most 366 days before or after its subject.")
    try:
        if found is not None:
            instant = _instant(datetime.fromisoformat(found[1].upper()), zone_of(zone))
            return Once(instant + offset - offset, offset)  # its tick must be in the calendar too
    except (ValueError, OverflowError):  # 31 February; the ends of the calendar
        pass
    sentence = f"{cut!r} is no time."
    raise UsageError(sentence, hint="Write for instance `at 2026-03-01T09:00`, or with its offset, +01:00 or Z.")


def text_of(at: At) -> str:
    """The expression of a time, as `read_once` reads it."""
    return f"at {at.at.isoformat()}"


def _instant(at: datetime, zone: ZoneInfo) -> datetime:
    if at.tzinfo is not None:
        return utc_of(at)
    first, second = passes(at, zone)
    return first if first <= second else jump_end(at, zone)

"""A schedule by elapsed time: every so many seconds, counted from a fixed instant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from crmd.errors import UsageError
from crmd.wallclock import utc_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_MAX = 366 * 24 * 3600
_TEXT_MAX = 64  # more than the pattern can match, so that a cut text never passes
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_TEXT = re.compile(r"@?every(?: [0-9]{1,8}[smhd]|(?: ?[0-9]{1,8}[smhd]){1,4})", re.ASCII)
_PART = re.compile(r"([0-9]{1,8})([smhd])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Every:
    """Fires at `anchor_at` plus each whole multiple of `seconds`; the same instants on every daemon.

    Args:
        seconds: The period, from 1 second to 366 days.
        anchor_at: Aware instant from which periods are counted; ticks before it exist too.
    """

    seconds: int
    anchor_at: datetime = EPOCH

    def __post_init__(self) -> None:
        if not 1 <= self.seconds <= _SECONDS_MAX:
            raise UsageError("An interval is at least 1 second and at most 366 days.")
        utc_of(self.anchor_at)

    def next_after(self, instant: datetime) -> datetime:
        """The first tick later than the aware `instant`, in UTC."""
        period = timedelta(seconds=self.seconds)
        anchor = utc_of(self.anchor_at)
        return anchor + ((utc_of(instant) - anchor) // period + 1) * period


def read_every(text: str) -> Every:
    """Read `every 90s`, `every 15m`, `every 1h30m` or `every 1d`; UsageError when it is none of these."""
    cut = text.strip().lower()[:_TEXT_MAX]
    if not _TEXT.fullmatch(cut):
        sentence = f"{cut!r} is not an interval."
        raise UsageError(sentence, hint="Write for instance every 90s, every 15m or every 1h30m.")
    return Every(sum(int(count) * _UNITS[unit] for count, unit in _PART.findall(cut)))

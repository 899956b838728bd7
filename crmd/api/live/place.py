"""The id of a server-sent event: the place from which a stream can go on, at any daemon of the same database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crmd.store.live import Look

_ID = re.compile(r"(?P<clock>[0-9a-f]{1,14})-(?P<point>[0-9a-f]{1,15})-(?P<history>[0-9a-f]{1,8})", re.ASCII)
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Beyond it a stream begins anew: what has ended meanwhile is not looked for any more.
AGE_MAX = timedelta(minutes=10)
# Clocks of a primary and its successor differ a little.
AHEAD_MAX = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Place:
    """How far somebody has seen.

    Attributes:
        point: Whatever transactions before it have changed was seen.
        clock: The database's, when the event was read.
        history: The number of the server's timeline: a promotion may give numbers of transactions again that were lost.
    """

    point: int
    clock: datetime
    history: int

    def id(self) -> bytes:
        """As it is sent; of two events of a stream the later one's is never the smaller."""
        return b"%x-%x-%x" % ((self.clock - _EPOCH) // _MICROSECOND, self.point, self.history)

    def is_known(self, now: Look, history: int) -> bool:
        """Whether a stream can go on from here: it is neither too old nor of another history, nor of the future."""
        is_in_time = now.clock - AGE_MAX <= self.clock <= now.clock + AHEAD_MAX
        return is_in_time and self.point <= now.point and self.history == history


def place_of(text: str | None) -> Place | None:
    """The place that `Last-Event-ID` names; None: none that we have given."""
    found = _ID.fullmatch(text or "")
    if found is None:
        return None
    try:
        clock = _EPOCH + int(found["clock"], 16) * _MICROSECOND
    except OverflowError:
        return None
    return Place(int(found["point"], 16), clock, int(found["history"], 16))

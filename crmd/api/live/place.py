"""The id of a server-sent event: the place from which a stream can go on, at any daemon of the same database."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crmd.store.live import Look

_ID = re.compile(r"^(?P<clock>[0-9a-f]{1,14})-(?P<point>[0-9a-f]{1,15})$")
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
    """

    point: int
    clock: datetime

    def id(self) -> bytes:
        """As it is sent; of two events of a stream the later one's is never the smaller."""
        return b"%x-%x" % ((self.clock - _EPOCH) // _MICROSECOND, self.point)

    def is_known(self, now: Look) -> bool:
        """Whether a stream can go on from here: it is neither too old nor of another database's future."""
        return self.point <= now.point and now.clock - AGE_MAX <= self.clock <= now.clock + AHEAD_MAX


def place_of(text: str | None) -> Place | None:
    """The place that `Last-Event-ID` names; None: none that we have given."""
    found = _ID.match(text or "")
    if found is None:
        return None
    try:
        clock = _EPOCH + int(found["clock"], 16) * _MICROSECOND
    except OverflowError:
        return None
    return Place(int(found["point"], 16), clock)

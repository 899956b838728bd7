"""What one watcher is still to be sent: of each job its newest state, so it never outgrows what there is to see."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio

from crmd.api.live.event import BEAT, Event, bye, with_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from crmd.api.identity import Identity
    from crmd.api.live.place import Place

# So many jobs at once are no news but a new beginning.
WAITING_MAX = 2000
# So much is made ready for a reader at a time: what waits behind it is kept once for all streams.
PIECE_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants to see.

    Attributes:
        identity: Whose stream it is.
        workspace_id: Of the jobs; None: all jobs.
        job_id: The only one; None: all of them.
        is_allowed: Asks whether the caller may still see it.
        is_lost: Whether nobody is there any more.
    """

    identity: Identity
    workspace_id: UUID | None
    job_id: UUID | None
    is_allowed: Callable[[], Awaitable[bool]]
    is_lost: Callable[[], bool]


class Stream:
    """One open stream.

    Args:
        wish: What it shows.
        place: How far its watcher has seen.
        first: What it begins with.
    """

    def __init__(self, wish: Wish, place: Place, first: bytes) -> None:
        self.wish = wish
        self.place = place
        self.is_stale = False
        self.sent_at = time.monotonic()
        self.check_at = 0.0
        self._point = place.point
        self._first = first
        self._waiting: dict[UUID, Event] = {}
        self._is_beat_due = False
        self._farewell: str | None = None
        self._stirred = anyio.Event()

    def offer(self, event: Event, point: int) -> None:
        """Show this, too; an older state of the same job that was not sent yet is left out."""
        if self.is_stale:
            return
        self._waiting.pop(event.job_id, None)
        self._waiting[event.job_id] = event
        self._point = max(self._point, point)
        if len(self._waiting) > WAITING_MAX:
            self.begin_anew()
        self._stirred.set()

    def begin_anew(self) -> None:
        """Send everything as it stands instead of what changed."""
        self._waiting.clear()
        self.is_stale = True
        self._stirred.set()

    def renewed(self, place: Place, first: bytes) -> None:
        """Go on from a new beginning."""
        self.place, self._point, self._first = place, place.point, first
        self._waiting.clear()
        self.is_stale = False

    def beat(self) -> None:
        """Show that somebody is here."""
        self._is_beat_due = True
        self._stirred.set()

    def end(self, reason: str) -> None:
        """Say why, and close."""
        self._farewell = self._farewell or reason
        self._stirred.set()

    @property
    def is_over(self) -> bool:
        """Whether its last event is sent or due."""
        return self._farewell is not None

    async def stir(self) -> None:
        """Wait until there is something to be sent or done."""
        await self._stirred.wait()
        self._stirred = anyio.Event()

    def take(self) -> bytes:
        """A piece of what is to be sent; `stir` returns at once while there is more.

        The id of the last event of all is the place reached with it, that of others the old one. Who is bidden farewell
        hears of what still waits at the next daemon, by that id.
        """
        parts, self._first = [self._first], b""
        size = len(parts[0])
        if self._farewell is not None:
            self._waiting.clear()
            parts.append(with_id(bye(self._farewell), self.place.id()))
        while self._waiting and size < PIECE_BYTES:
            event = self._waiting.pop(next(iter(self._waiting)))
            if not self._waiting:
                self.place = replace(self.place, point=self._point)
            parts.append(self._with_place(event))
            size += len(parts[-1])
        if self._waiting:
            self._stirred.set()
        elif self._farewell is None:
            self.place = replace(self.place, point=self._point)
        if self._is_beat_due and len(parts) == 1:
            parts.append(BEAT)
        self._is_beat_due = False
        self.sent_at = time.monotonic()
        return b"".join(parts)

    def _with_place(self, event: Event) -> bytes:
        self.place = replace(self.place, clock=max(event.clock, self.place.clock))
        return with_id(event.body, self.place.id())

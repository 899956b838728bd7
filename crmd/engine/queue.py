"""The room for running jobs of one queue in a daemon."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from uuid import UUID

    from crmd.engine.run import Run


class Queue:
    """The room for running jobs of one queue in this daemon, and what is claimed for it."""

    __slots__ = (
        "_is_awaited",
        "_room_made",
        "buffer",
        "drainers",
        "has_standby",
        "name",
        "slots",
        "taken",
        "unanswered",
    )

    def __init__(self, name: str, slots: int) -> None:
        self.name = name
        self.slots = slots
        self.taken = 0  # claimed and not yet finished
        self.unanswered: set[UUID] = set()  # claims that may have got jobs which nobody here knows yet
        self.buffer: deque[Run] = deque()
        self.drainers = 0
        self.has_standby = False
        self._is_awaited = False
        self._room_made = anyio.Event()

    @property
    def free(self) -> int:
        """How many jobs may be claimed now."""
        return max(self.slots - self.taken, 0)

    def make_room(self) -> None:
        """A job has ended, or there are more slots: whoever waits for room looks again. Called for every job."""
        if self._is_awaited:
            self._is_awaited = False
            self._room_made.set()

    async def until_room_is_made(self) -> None:
        """Wait for the next job to end; only one waits at a time."""
        self._is_awaited, self._room_made = True, anyio.Event()
        await self._room_made.wait()

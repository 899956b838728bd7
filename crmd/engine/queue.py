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

    __slots__ = ("buffer", "drainers", "has_standby", "name", "room_made", "slots", "taken", "unanswered")

    def __init__(self, name: str, slots: int) -> None:
        self.name = name
        self.slots = slots
        self.taken = 0  # claimed and not yet finished
        self.unanswered: set[UUID] = set()  # claims that may have got jobs which nobody here knows yet
        self.buffer: deque[Run] = deque()
        self.drainers = 0
        self.has_standby = False
        self.room_made = anyio.Event()

    @property
    def free(self) -> int:
        """How many jobs may be claimed now."""
        return max(self.slots - self.taken, 0)

"""The room for running jobs of one queue in a daemon."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel

from crmd.stored_text import PAYLOAD_BYTES_MAX

if TYPE_CHECKING:
    from uuid import UUID

    from crmd.engine.run import Run

# Of large jobs a queue holds no more than come to so many bytes of payload; while one runs it is there twice.
HELD_BYTES_MAX = 64 * 1024 * 1024
# A claim takes half of a queue's slots, so that the server works at the next one while these run; all of a few.
CLAIM_SHARE = 0.5
CLAIM_MIN = 64
# Under load a claim waits for that much room, so that batches stay worth their round trip.
ROOM_WAIT_SECONDS = 0.02


class Queue:
    """The room for running jobs of one queue in this daemon, and what is claimed for it."""

    __slots__ = (
        "_is_awaited",
        "_room_made",
        "_typical_bytes",
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
        self._typical_bytes = PAYLOAD_BYTES_MAX  # until some were seen
        self._is_awaited = False
        self._room_made = anyio.Event()

    @property
    def room(self) -> int:
        """How many jobs there is room for: the slots, or as many as the last ones were small enough for."""
        return min(self.slots, max(HELD_BYTES_MAX // self._typical_bytes, 1))

    @property
    def free(self) -> int:
        """How many jobs may be claimed now."""
        return max(self.room - self.taken, 0)

    def saw(self, payload_bytes: int, jobs: int) -> None:
        """Learn from a claim how large payloads are: larger at once, smaller step by step."""
        self._typical_bytes = max(payload_bytes // jobs, self._typical_bytes // 2, 1)

    @property
    def claimable(self) -> int:
        """How many jobs one claim may ask for now."""
        return min(self.free, max(int(self.room * CLAIM_SHARE), CLAIM_MIN))

    async def until_a_claim_pays(self) -> None:
        """Wait until there is some room, and a little longer for more of it."""
        enough = max(1, int(self.room * CLAIM_SHARE))
        while self.free == 0:
            await self.until_room_is_made()
        if self.free >= enough:
            return
        with anyio.move_on_after(ROOM_WAIT_SECONDS):
            while self.free < enough:
                await self.until_room_is_made()

    async def give_way(self) -> None:
        """Leave a turn of the loop to the claimer, if it is many jobs that are to run before the next."""
        if len(self.buffer) >= CLAIM_MIN:
            await anyio.lowlevel.checkpoint()

    def make_room(self) -> None:
        """A job has ended, or there are more slots: whoever waits for room looks again. Called for every job."""
        if self._is_awaited:
            self._is_awaited = False
            self._room_made.set()

    async def until_room_is_made(self) -> None:
        """Wait for the next job to end; only one waits at a time."""
        self._is_awaited, self._room_made = True, anyio.Event()
        await self._room_made.wait()

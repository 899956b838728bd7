"""Paces new connections once one was refused, so that a fleet does not run down a server that is just coming back.

While the server lets everybody in there is no pace at all. After a refusal the process begins only so many connections
within any second, until none was refused for a while, and those by rank: what the engine cannot go on without is first,
and jobs that want a connection are last. Whoever stands in line for too long is told so, and comes again later.

The first who is let in again calls the others, who rest meanwhile, so that nobody sleeps on while the server is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections import deque
from enum import IntEnum
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import asyncpg

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

T = TypeVar("T")

# The server has let us in, and then the session has ended: somebody ended it, or the server stops, as the next is told.
SESSION_ENDED = (asyncpg.AdminShutdownError, asyncpg.ConnectionDoesNotExistError, asyncpg.InternalClientError)
# With the heartbeat, which stands in no line, at most five a second.
TURNS_MAX = 4
WINDOW_SECONDS = 1.0
# After a refusal nobody comes for so long.
PAUSE_SECONDS = 0.25
# While everybody was refused last, one at a time tries again, so that turns are left for the moment when it succeeds.
SHUT_SECONDS = 0.5
LINE_SECONDS = 1.0
# Once the server is back everybody stands in line at the same time; each of the engine's gets its turn within this.
LINE_BACK_SECONDS = 3.0
LOOK_SECONDS = 0.02
CALM_SECONDS = 10.0


class Rank(IntEnum):
    """Who comes before whom."""

    HEARTBEAT = 0
    """Stands in no line."""
    LISTENER = 1
    """Without it every queue has to be polled."""
    FIRST = 2
    """The first connection of a pool of the engine's, on which all can go on that waits for it."""
    MORE = 3
    """Further ones."""
    JOBS = 4
    """Transactions of jobs; they stand in line for as long as they like."""


class Door:
    """The way in to one server, shared by all pools and threads of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_paced_until = -math.inf
        self._not_before = -math.inf
        self._turns = deque([-math.inf] * TURNS_MAX, TURNS_MAX)
        self._is_shut = False
        self._in_line = dict.fromkeys(Rank, 0)
        self._resting: set[Callable[[], object]] = set()

    def __reduce__(self) -> tuple[type[Door], tuple[()]]:
        """Another process sees for itself."""
        return Door, ()

    async def through(
        self,
        connect: Callable[..., Awaitable[T]],
        *args: Any,  # noqa: ANN401 - of `connect`
        rank: Rank,
        **kwargs: Any,  # noqa: ANN401 - of `connect`
    ) -> T:
        """Connect when it is our turn.

        Raises:
            ConnectionRefusedError: It was not for too long.
        """
        if rank is not Rank.HEARTBEAT:
            await self._stand_in_line(rank)
        try:
            connection = await connect(*args, **kwargs)
        except SESSION_ENDED:
            raise
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self.refused(time.monotonic())
            raise
        self.let_in()
        return connection

    async def rest(self, seconds: float) -> None:
        """Sleep; while the server refuses everybody, no longer than until it lets somebody in again."""
        loop, is_back = asyncio.get_running_loop(), asyncio.Event()

        def call() -> None:
            loop.call_soon_threadsafe(is_back.set)

        with self._lock:
            self._resting.add(call)
        try:
            with anyio.move_on_after(seconds):
                await is_back.wait()
        finally:
            with self._lock:
                self._resting.discard(call)

    @property
    def is_paced(self) -> bool:
        """Whether connections wait for their turn now."""
        return time.monotonic() < self._is_paced_until

    def is_turn(self, now: float, rank: Rank) -> bool:
        """Take a turn if there is one for this rank now, by the monotonic clock."""
        with self._lock:
            if now < self._is_paced_until:
                if any(count for ahead, count in self._in_line.items() if ahead < rank):
                    return False
                gap = SHUT_SECONDS if self._is_shut else 0.0
                if now < max(self._not_before, self._turns[0] + WINDOW_SECONDS, self._turns[-1] + gap):
                    return False
            self._turns.append(now)
            return True

    def refused(self, now: float) -> None:
        """The server did not let somebody in. Callable from any thread, as is what follows."""
        with self._lock:
            self._is_shut = True
            self._not_before = now + PAUSE_SECONDS
            self._is_paced_until = now + CALM_SECONDS

    def let_in(self) -> None:
        """The server has let somebody in; whoever rests because it did not is called."""
        with self._lock:
            called = tuple(self._resting) if self._is_shut else ()
            self._is_shut = False
        for call in called:
            with contextlib.suppress(RuntimeError):  # its loop has ended meanwhile
                call()

    async def _stand_in_line(self, rank: Rank) -> None:
        came_at = now = time.monotonic()
        if self.is_turn(now, rank):
            return
        with self._standing(rank):
            while not self.is_turn(now, rank):
                longest = LINE_SECONDS if self._is_shut else LINE_BACK_SECONDS
                if rank is not Rank.JOBS and now - came_at > longest:
                    raise ConnectionRefusedError("too many connections wait for the server already")
                await anyio.sleep(LOOK_SECONDS)
                now = time.monotonic()

    @contextlib.contextmanager
    def _standing(self, rank: Rank) -> Iterator[None]:
        with self._lock:
            self._in_line[rank] += 1
        try:
            yield
        finally:
            with self._lock:
                self._in_line[rank] -= 1

"""Paces new connections once one was refused, so that a fleet does not run down a server that is just coming back.

While the server lets everybody in there is no pace at all. After a refusal the process opens one connection at a time,
in line, until none was refused for a while; whoever finds the line too long is told at once and comes again later.
"""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import asyncpg

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

# With the heartbeat, which waits in no line, at most five a second.
PACE_SECONDS = 0.25
LINE_SECONDS = 1.0
CALM_SECONDS = 10.0


class Door:
    """The way in to one server, shared by all pools and threads of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_paced_until = -math.inf
        self._next_turn = -math.inf

    def __reduce__(self) -> tuple[type[Door], tuple[()]]:
        """Another process sees for itself."""
        return Door, ()

    async def through(
        self,
        connect: Callable[..., Awaitable[T]],
        *args: Any,  # noqa: ANN401 - of `connect`
        is_urgent: bool = False,
        is_patient: bool = False,
        **kwargs: Any,  # noqa: ANN401 - of `connect`
    ) -> T:
        """Connect when it is our turn; at once when it is urgent, and not before there is room when we are patient.

        Raises:
            ConnectionRefusedError: Too many others are waiting for theirs.
        """
        wait_seconds = 0.0 if is_urgent else self.turn(time.monotonic())
        while wait_seconds is None:
            if not is_patient:
                raise ConnectionRefusedError("too many connections wait for the server already")
            await anyio.sleep(PACE_SECONDS)
            wait_seconds = self.turn(time.monotonic())
        if wait_seconds > 0:
            await anyio.sleep(wait_seconds)
        try:
            return await connect(*args, **kwargs)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            self.refused(time.monotonic())
            raise

    def turn(self, now: float) -> float | None:
        """Take the next turn; answers the seconds until it, None where the line is too long. `now` is monotonic."""
        with self._lock:
            if now >= self._is_paced_until:
                return 0.0
            turn = max(self._next_turn, now)
            if turn - now > LINE_SECONDS:
                return None
            self._next_turn = turn + PACE_SECONDS
            return turn - now

    def refused(self, now: float) -> None:
        """The server did not let somebody in."""
        with self._lock:
            self._next_turn = max(self._next_turn, now + PACE_SECONDS)
            self._is_paced_until = now + CALM_SECONDS

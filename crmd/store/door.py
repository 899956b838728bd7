"""Paces new connections once one was refused, so that a fleet does not run down a server that is just coming back.

While the server lets everybody in there is no pace at all. After a refusal the process begins only so many connections
within any second, until none was refused for a while; whoever finds the line too long is told at once and comes again
later. The engine's come first: what is claimed, settled and recovered waits for no job that wants a connection.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import asyncpg

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

# With the heartbeat, which waits in no line, at most five a second.
TURNS_MAX = 4
WINDOW_SECONDS = 1.0
# After a refusal nobody comes for so long.
PAUSE_SECONDS = 0.25
LINE_SECONDS = 1.0
LOOK_SECONDS = 0.1
CALM_SECONDS = 10.0


class Door:
    """The way in to one server, shared by all pools and threads of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_paced_until = -math.inf
        self._not_before = -math.inf
        self._turns = deque([-math.inf] * TURNS_MAX, TURNS_MAX)

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
        """Connect when it is our turn; at once when it is urgent, and behind everybody else when we are patient.

        Raises:
            ConnectionRefusedError: Too many others are waiting for theirs.
        """
        line_seconds = 0.0 if is_patient else LINE_SECONDS
        wait_seconds = 0.0 if is_urgent else self.turn(time.monotonic(), line_seconds)
        while wait_seconds is None:
            if not is_patient:
                raise ConnectionRefusedError("too many connections wait for the server already")
            await anyio.sleep(LOOK_SECONDS)
            wait_seconds = self.turn(time.monotonic(), line_seconds)
        if wait_seconds > 0:
            await anyio.sleep(wait_seconds)
        try:
            return await connect(*args, **kwargs)
        except asyncpg.AdminShutdownError:  # the server has let us in, and then somebody has ended the session
            raise
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            self.refused(time.monotonic())
            raise

    def turn(self, now: float, line_seconds: float = LINE_SECONDS) -> float | None:
        """Take the next turn; answers the seconds until it, None where that is longer than `line_seconds`.

        Args:
            now: By the monotonic clock.
            line_seconds: With 0 it is for those who leave every turn to come to the others.
        """
        with self._lock:
            is_paced = now < self._is_paced_until
            turn = max(now, self._not_before, self._turns[0] + WINDOW_SECONDS) if is_paced else now
            if turn - now > line_seconds:
                return None
            self._turns.append(turn)
            return turn - now

    def refused(self, now: float) -> None:
        """The server did not let somebody in."""
        with self._lock:
            self._not_before = now + PAUSE_SECONDS
            self._is_paced_until = now + CALM_SECONDS

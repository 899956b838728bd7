"""A pool in which no wait is without an end: neither for a connection, nor for giving one back over a dead link.

While connections are paced it opens one at a time, and whoever wants one takes the first that is free: after an outage
all go on with the first ones there are, instead of waiting for one each.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import anyio
import asyncpg

from crmd.store.known_types import KnownTypesConnection

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asyncpg.pool import PoolAcquireContext, PoolConnectionProxy

    Base = asyncpg.Pool[asyncpg.Record]
else:
    Base = asyncpg.Pool

# A wait for a connection, the time to open it included.
ACQUIRE_SECONDS = 5.0
LEAVE_SECONDS = 3.0


class BoundedPool(Base):
    """As asyncpg makes it, with bounds where it has none.

    Args:
        acquire_seconds: How long a wait for a connection may take where the caller does not say.
        release_seconds: A connection whose last statement was cut short is asked to end it when it is given back; one
            that has not answered by then is closed.
        connect: Opens a connection while there is none.
        connect_more: Opens a further one.
        bounds: As for `asyncpg.create_pool`.
    """

    __slots__ = (
        "_acquire_seconds",
        "_going_to_idle",
        "_is_one_opened",
        "_is_paced",
        "_leave_seconds",
        "_moved",
        "_release_seconds",
    )

    def __init__(
        self,
        dsn: str,
        *,
        release_seconds: float,
        is_paced: Callable[[], bool],
        acquire_seconds: float = ACQUIRE_SECONDS,
        connect: Callable[..., Awaitable[Any]],
        connect_more: Callable[..., Awaitable[Any]],
        **bounds: Any,  # noqa: ANN401 - asyncpg's own
    ) -> None:
        def connected(*args: Any, **kwargs: Any) -> Awaitable[Any]:  # noqa: ANN401 - asyncpg's own
            return (connect_more if self.get_size() else connect)(*args, **kwargs)

        bounds["connect"] = connected
        super().__init__(
            dsn,
            max_queries=50_000,
            max_inactive_connection_lifetime=300,
            setup=None,
            loop=None,
            connection_class=KnownTypesConnection,
            record_class=asyncpg.Record,
            **bounds,
        )
        self._acquire_seconds = acquire_seconds
        self._release_seconds = release_seconds
        self._is_paced = is_paced
        self._is_one_opened = False
        self._going_to_idle = 0
        self._moved = anyio.Event()
        self._leave_seconds = min(LEAVE_SECONDS, bounds["command_timeout"] / 2)

    def acquire(self, *, timeout: float | None = None) -> PoolAcquireContext[asyncpg.Record]:
        """A connection, or TimeoutError."""
        return super().acquire(timeout=self._acquire_seconds if timeout is None else timeout)

    async def release(
        self,
        connection: PoolConnectionProxy[asyncpg.Record],
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - asyncpg's word
    ) -> None:
        """Give a connection back; one over which nothing comes any more is closed."""
        with contextlib.suppress(TimeoutError):  # it is closed by now, and whoever used it is done with it
            await super().release(connection, timeout=self._release_seconds if timeout is None else timeout)
        self._tell()

    async def opened(self) -> BoundedPool:
        """Itself, ready to be used."""
        await self
        return self

    async def leave(self) -> None:
        """Wait a little for what is out, and then cut it."""
        with anyio.CancelScope(shield=True):
            with contextlib.suppress(TimeoutError), anyio.fail_after(self._leave_seconds):
                await self.close()
            self.terminate()

    async def _acquire(self, timeout: float | None) -> PoolConnectionProxy[asyncpg.Record]:  # noqa: ASYNC109 - as above
        """What every way to a connection comes through."""
        if not self._is_paced():
            return await super()._acquire(timeout)  # type: ignore[misc, no-any-return]  # asyncpg does not tell of it
        with anyio.fail_after(timeout):
            while not (is_idle := self.get_idle_size() > self._going_to_idle) and self._is_one_opened:
                await self._moved.wait()
            self._going_to_idle += is_idle
            self._is_one_opened |= not is_idle
            try:
                return await super()._acquire(None)  # type: ignore[misc, no-any-return]  # as above
            finally:
                self._going_to_idle -= is_idle
                self._is_one_opened &= is_idle
                self._tell()

    def _tell(self) -> None:
        """Whoever waits is to look again."""
        self._moved.set()
        self._moved = anyio.Event()

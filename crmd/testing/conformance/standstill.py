"""A database that stands still for one job: its lease is locked, so whatever it wants to write waits."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from crmd.store.queries import load_queries
from crmd.testing.attempt import expire

if TYPE_CHECKING:
    from crmd.composition import Opened
    from crmd.testing.attempt import Attempt
    from crmd.testing.conformance.trial import Trial

_SQL = load_queries("crmd.testing")
LIMIT_SECONDS = 0.4


class Standstill:
    """Begins before the job does, ends its time after `LIMIT_SECONDS`, and lets go once it has ended.

    Args:
        trial: Whose job it is; made in the trial's loop.
    """

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._loop = asyncio.get_running_loop()
        self._stack = contextlib.AsyncExitStack()
        self._began_at = 0.0
        self._is_over = False

    def begin(self, _: Opened) -> None:
        """Lock; called in the thread of the attempt."""
        asyncio.run_coroutine_threadsafe(self._lock(), self._loop).result()
        self._began_at = time.monotonic()

    def look(self, attempt: Attempt) -> None:
        """End its time, and let go after it; called in the thread that watches."""
        if self._is_over:
            return
        if attempt.outcome is not None:  # what follows is the settle, which is the engine's
            self._is_over = True
            asyncio.run_coroutine_threadsafe(self.end(), self._loop)
        elif self._began_at and attempt.run.stop is None and time.monotonic() - self._began_at > LIMIT_SECONDS:
            attempt.soon(expire)

    async def end(self) -> None:
        """Let go."""
        await self._stack.aclose()

    async def _lock(self) -> None:
        pool = self._trial.workbench.everything.pools.plugins
        connection = await self._stack.enter_async_context(pool.acquire())
        await self._stack.enter_async_context(connection.transaction())
        await connection.fetch(_SQL.lease_lock, self._trial.job_id)

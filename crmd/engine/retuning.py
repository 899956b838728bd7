"""Keeps a daemon at what operators have changed live: looks while anything is changed, and at once when word comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from crmd.store import tuning
from crmd.tuning import UNTUNED

if TYPE_CHECKING:
    from collections.abc import Callable

    from crmd.store.pools import Pool
    from crmd.tuning import Tuning

LOOK_SECONDS = 1.0
# Nothing is changed: the pulse tells when something is.
REST_SECONDS = 60.0


class Retuning:
    """One daemon's look at the live settings.

    Args:
        pool: The control pool.
        on_read: Told what holds, after each look.
    """

    def __init__(self, pool: Pool, on_read: Callable[[Tuning], None]) -> None:
        self._pool = pool
        self._on_read = on_read
        self._asked = anyio.Event()

    def soon(self) -> None:
        """Look at once."""
        self._asked.set()

    async def look_once(self) -> float:
        """Read what holds, and give waiting jobs the lanes of changed keys; then wait until the next look is due."""
        self._asked = anyio.Event()
        found = await tuning.read(self._pool)
        self._on_read(found)
        if await tuning.relane(self._pool):
            return 0.0
        with anyio.move_on_after(REST_SECONDS if found == UNTUNED else LOOK_SECONDS):
            await self._asked.wait()
        return 0.0

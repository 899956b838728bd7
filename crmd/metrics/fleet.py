"""The figures of the fleet as a scraper gets them: soon, even where the database does not answer."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from typing import TYPE_CHECKING

from crmd.clock import boot_seconds
from crmd.store.figures import FRESH_SECONDS, Figures, Patience, gathered
from crmd.store.pools import UNREACHABLE

if TYPE_CHECKING:
    from crmd.store.pools import Pool

_LOG = logging.getLogger("crmd.metrics")
WAIT_SECONDS = 1.0


class FleetFigures:
    """Keeps the figures that were had last, and asks for newer ones in the background.

    Args:
        pool: With JSON as plain objects.
        wait_seconds: Nobody who asks waits longer.
    """

    def __init__(self, pool: Pool, *, wait_seconds: float = WAIT_SECONDS) -> None:
        self._pool = pool
        self._wait_seconds = wait_seconds
        self._known: Figures | None = None
        self._known_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    async def current(self, patience: Patience) -> Figures | None:
        """The figures, at most a few seconds old where the database answers; else those of before, with their age."""
        if boot_seconds() - self._known_at >= FRESH_SECONDS:
            if self._asking is None:
                self._asking = asyncio.create_task(self._ask(patience))
            await asyncio.wait([self._asking], timeout=self._wait_seconds)
        if self._known is None:
            return None
        age_seconds = self._known.age_seconds + boot_seconds() - self._known_at
        return dataclasses.replace(self._known, age_seconds=age_seconds)

    async def close(self) -> None:
        """Let nothing of it run on."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])

    async def _ask(self, patience: Patience) -> None:
        try:
            figures = await gathered(self._pool, patience)
        except UNREACHABLE as error:
            _LOG.warning("the figures of the fleet are not renewed (%s)", type(error).__name__)
        else:
            self._known, self._known_at = figures, boot_seconds()
        finally:
            self._asking = None

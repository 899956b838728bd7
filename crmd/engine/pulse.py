"""One look a second at all that a daemon keeps in order, so that loops with nothing to do ask for nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from crmd.store.pools import Pool

_SQL = load_queries("crmd.store")
BEAT_SECONDS = 1.0
# While a daemon drains, since what it gives back may be nobody's to hear of.
DRAINING_SECONDS = 0.25
# Behind the end of a lease, so that it is over when we look.
LATER_SECONDS = 0.005


class Pulse:
    """Knows since the last beat what is due.

    Args:
        pool: The control pool.
        projections: Names of those loaded here.
        on_tuning: Called with each beat while operators have changed anything live.
    """

    def __init__(self, pool: Pool, projections: Callable[[], Sequence[str]], on_tuning: Callable[[], None]) -> None:
        self._pool = pool
        self._projections = projections
        self._on_tuning = on_tuning
        self._due: frozenset[str] = frozenset()
        self._beaten = anyio.Event()

    async def beat_once(self) -> float:
        """Look, and wake the loops that have something to do; the next time no later than the next lease runs out."""
        row = await self._pool.fetchrow(_SQL.pulse, self._projections())
        assert row is not None  # noqa: S101 - a statement without a table to come back empty
        self._due = frozenset(name for name, is_due in row.items() if is_due is True)
        beaten, self._beaten = self._beaten, anyio.Event()
        beaten.set()
        if "tuning" in self._due:
            self._on_tuning()
        beat = DRAINING_SECONDS if "draining" in self._due else BEAT_SECONDS
        ends = row["ends_seconds"]
        return beat if ends is None else min(beat, ends + LATER_SECONDS)

    def is_due(self, name: str) -> bool:
        """Whether the last beat has found something to do."""
        return name in self._due

    def when_due(self, name: str, step: Callable[[], Awaitable[float]]) -> Callable[[], Awaitable[float]]:
        """The step of a loop that has its turn with each beat that finds something to do, and at once while it says so.

        Args:
            name: A column of pulse.sql.
            step: Answers 0 when there is more to do at once.
        """

        async def turn() -> float:
            await self._beaten.wait()
            while name in self._due and await step() == 0.0:
                pass
            return 0.0

        return turn

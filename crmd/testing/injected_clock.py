"""The database's clock, in a test's hands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from datetime import datetime

    from crmd.composition import Opened

_SQL = load_queries("crmd.testing")


class TestClock:
    """Moves or stops it; nothing falls due by itself, see `workbench.travel` for that."""

    __test__ = False

    def __init__(self, everything: Opened) -> None:
        self._pool = everything.pools.control

    async def advance(self, seconds: float) -> None:
        """Move it on."""
        await self._pool.execute(_SQL.clock_shift, seconds)

    async def freeze(self, at: datetime) -> None:
        """Stop it at an aware instant."""
        await self._pool.execute(_SQL.clock_freeze, at)

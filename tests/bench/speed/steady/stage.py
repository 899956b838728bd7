"""Where the phases take place, and what is measured in each."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from speed.failure import BenchError
from speed.steady.ledger import count_starts
from speed.steady.offering import Offers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from pathlib import Path

    from speed.daemons import Daemon
    from speed.database import Database

SAMPLE_SECONDS = 0.25
DONE_SECONDS = 120.0
LEFT = "SELECT (SELECT count(*) FROM crmd.job) + (SELECT count(*) FROM crmd.lease)"
DEAD_ROWS = "SELECT sum(n_dead_tup) FROM pg_stat_user_tables WHERE schemaname = 'crmd' AND relname IN ('job', 'lease')"


@dataclass
class Stage:
    """A database, daemons on it, and what was offered.

    Attributes:
        database: It.
        settings: Of the daemons.
        daemons: All that were ever started.
        back_at: When the database was back, by its own clock.
    """

    database: Database
    settings: dict[str, str]
    daemons: list[Daemon] = field(default_factory=list)
    back_at: datetime | None = None
    offers: Offers = field(init=False)

    def __post_init__(self) -> None:
        self.offers = Offers(self.database)

    @property
    def ledger(self) -> Path:
        """Where jobs note their starts."""
        return self.database.folder / "ledger"

    @property
    def backlog(self) -> int:
        """Jobs that are in the database and have not begun, so far as can be told without asking it."""
        return max(len(self.offers.acknowledged) - count_starts(self.ledger), 0)

    @property
    def used_by_daemons(self) -> float:
        """Processor seconds of all daemons."""
        return sum(daemon.used_seconds for daemon in self.daemons)

    async def until_done(self) -> None:
        """Wait until every job is over.

        Raises:
            BenchError: That takes too long.
        """
        await self.offers.until_answered()
        for _ in range(int(DONE_SECONDS / SAMPLE_SECONDS)):
            if not await self.database.connection.fetchval(LEFT):
                return
            await asyncio.sleep(SAMPLE_SECONDS)
        raise BenchError(f"{await self.database.connection.fetchval(LEFT)} jobs were left after {DONE_SECONDS:.0f} s")

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[list[int]]:
        """Samples of the backlog, taken inside the block."""
        samples: list[int] = []

        async def sample() -> None:
            while True:
                samples.append(self.backlog)
                await asyncio.sleep(SAMPLE_SECONDS)

        task = asyncio.create_task(sample())
        try:
            yield samples
        finally:
            task.cancel()

"""A job's items over its attempts: what was booked once is not handed out again."""

from __future__ import annotations

from collections.abc import Sized
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from crmd.engine.run import REASON_MAX, Progress
from crmd.store import items as store
from crmd.stored_text import clean_text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from crmd.engine.run import Run
    from crmd.store.pools import Pool

CHUNK = 1000


class Items:
    """Hands out the items that are left.

    Args:
        run: The running job.
        pool: The plugins' pool.
    """

    def __init__(self, run: Run, pool: Pool) -> None:
        self._run = run
        self._pool = pool

    async def remaining(self, items: Iterable[Any], *, key: Callable[[Any], object] = str) -> AsyncIterator[Any]:
        """See `crmd.Durable`."""
        progress = self._progress()
        if isinstance(items, Sized):
            progress.total = len(items)
        await self._count(progress)
        failed_of = self._failed_of()
        is_fresh = self._run.token.fence == 1 and failed_of is None
        waiting = iter(items)
        while chunk := list(islice(waiting, CHUNK)):
            names = [clean_text(str(key(item)), REASON_MAX) for item in chunk]
            settled = set() if is_fresh else await store.settled(self._pool, self._run.token.id, names, failed_of)
            for name, item in zip(names, chunk, strict=True):
                if name not in settled:
                    yield item
                    progress.done += 1
                    progress.is_dirty = True
                elif failed_of is not None:
                    progress.total = None if progress.total is None else progress.total - 1

    async def _count(self, progress: Progress) -> None:
        """What earlier attempts have booked counts on."""
        if self._run.token.fence == 1:
            return
        for row in await store.counted(self._pool, self._run.token.id):
            progress.count(row["outcome"], row["reason"], row["items"])
        progress.done = max(progress.done, sum(progress.counts.values()))

    def _failed_of(self) -> UUID | None:
        """The job whose failed items this one is to do again, if it is."""
        meta = self._run.row["meta"]
        named = None if meta is None else msgspec.json.decode(meta).get("failedItemsOf")
        return None if named is None else UUID(named)

    def _progress(self) -> Progress:
        if self._run.progress is None:
            self._run.progress = Progress()
        return self._run.progress

"""Fills a queue through the public API."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import crmd

if TYPE_CHECKING:
    from typing import Unpack

    from crmd import EnqueueOptions
    from speed.database import Database

PAGE = 10_000


async def fill(database: Database, job_type: str, count: int, **options: Unpack[EnqueueOptions]) -> UUID:
    """Enqueue so many jobs, in pages; answers the id of the last."""
    last = UUID(int=0)
    for start in range(0, count, PAGE):
        payloads = [{"number": number} for number in range(start, min(start + PAGE, count))]
        last = (await crmd.enqueue_many(database.connection, job_type, payloads, **options))[-1].id
    return last


def workspace(number: int) -> UUID:
    """The id of a tenant."""
    return UUID(int=number + 1)

"""Statements that lock whole trees of jobs, and so may be picked to break a circle of waits.

Everybody takes these locks in one order (see `crmd.cancel`), but trees of several levels and jobs that come after
others have no order that all of them could know beforehand. PostgreSQL undoes one of the waiting transactions then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crmd.store.pools import Connection, Pool

TRIES = 5


async def fetch_tree(database: Connection | Pool, statement: str, *arguments: object) -> Sequence[Any]:
    """Rows of a statement that locks a tree of jobs; again when it was undone to break a circle of waits.

    Raises:
        asyncpg.DeadlockDetectedError: In the caller's transaction, which is lost then; or it happened every time.
    """
    for _ in range(TRIES - 1):
        try:
            return await database.fetch(statement, *arguments)
        except asyncpg.DeadlockDetectedError:
            if not hasattr(database, "acquire") and database.is_in_transaction():
                raise
    return await database.fetch(statement, *arguments)

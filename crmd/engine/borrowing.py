"""A connection of the plugins' pool for a job, and a sentence when there is none in time."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from crmd.engine.footprint import is_holding
from crmd.store.pools import ACQUIRE_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crmd.engine.run import Run
    from crmd.store.pools import Connection, Pool

# Jobs that hold a connection and wait for a second one may wait for each other, so they wait less.
NESTED_SECONDS = 5.0


@contextlib.asynccontextmanager
async def borrowed(pool: Pool, run: Run) -> AsyncIterator[Connection]:
    """A connection for `run`.

    Raises:
        TimeoutError: None was free in time.
    """
    is_nested = is_holding(run)
    seconds = NESTED_SECONDS if is_nested else ACQUIRE_SECONDS
    try:
        connection = await pool.acquire(timeout=seconds)
    except TimeoutError:
        hint = "; a transaction of this job is open: do in it what is to be done" if is_nested else ""
        raise TimeoutError(f"no connection to the database was free within {seconds:g} s{hint}") from None
    try:
        yield connection
    finally:
        await pool.release(connection)

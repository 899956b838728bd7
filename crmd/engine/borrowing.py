"""A connection of the plugins' pool for a job, and a sentence when there is none in time."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import asyncpg

from crmd.engine.footprint import is_holding
from crmd.errors import LeaseLost
from crmd.store import leases
from crmd.store.pools import ACQUIRE_SECONDS, UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crmd.engine.run import Run
    from crmd.store.pools import Connection, Pool

# Jobs that hold a connection and wait for a second one may wait for each other, so they wait less.
NESTED_SECONDS = 5.0
# Says that the session has ended before its socket does.
SESSION_ENDED = (asyncpg.AdminShutdownError, asyncpg.CrashShutdownError, asyncpg.PostgresConnectionError)
_OPEN = "a transaction of this job is open: do in it what is to be done"


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
        hint = f"; {_OPEN}" if is_nested else ""
        raise TimeoutError(f"no connection to the database was free within {seconds:g} s{hint}") from None
    except UNREACHABLE as error:
        run.cut_by = error
        raise
    try:
        yield connection
    except Exception as error:
        if isinstance(error, SESSION_ENDED) or _is_over(connection):
            run.cut_by = error
        raise
    finally:
        await pool.release(connection)


def _is_over(connection: Connection) -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:  # its pool has taken it back, which it does by itself only with a dead one
        return True


async def hold(connection: Connection, run: Run) -> None:
    """Lock the lease of `run` until the transaction ends.

    Raises:
        LeaseLost: Another claim holds the job by now.
        TimeoutError: Another transaction has it locked, which can only be one of the same job.
    """
    try:
        is_held = await leases.is_held(connection, run.token)
    except asyncpg.LockNotAvailableError:
        raise TimeoutError(f"the lease of job {run.token.id} stays locked; {_OPEN}") from None
    if not is_held:
        raise LeaseLost(f"the lease of job {run.token.id} is lost")

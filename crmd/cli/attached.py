"""The database as commands use it that only look or change a row: no migration, no plugins."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import asyncpg

from crmd.cli.asking import bounds_of
from crmd.cli.session import configured, in_loop, log_quietly
from crmd.errors import CrmdError, UsageError
from crmd.reaching import reached
from crmd.store.pools import open_pools
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import AsyncIterator, Awaitable, Callable
    from uuid import UUID

    from crmd.config.loading import Config
    from crmd.store.pools import Pool

_SQL = load_queries("crmd.store")


@contextlib.asynccontextmanager
async def database(config: Config) -> AsyncIterator[Pool]:
    """A pool whose JSON columns are plain objects.

    Raises:
        CrmdError: The database is not reached, or was never set up.
    """
    async with reached(config) as server, open_pools(server) as pools:
        try:
            yield pools.plugins
        except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError, asyncpg.UndefinedFunctionError) as error:
            raise CrmdError("The database is not set up for this version.", hint="Run `crmd migrate`.") from error


def on_database(arguments: Namespace, work: Callable[[Pool, Config], Awaitable[int]]) -> int:
    """Run a command that needs no more than the database; answers its exit code."""
    log_quietly(arguments)
    config = configured(arguments)

    async def reach() -> int:
        async with database(config) as pool:
            return await work(pool, config)

    return in_loop(config, reach)


async def job_id_of(pool: Pool, prefix: str) -> UUID:
    """The job whose id begins so.

    Raises:
        UsageError: There is none, or more than one.
    """
    rows = await pool.fetch(_SQL.ids_like, *bounds_of(prefix, "job"))
    if not rows:
        raise UsageError(f"There is no job {prefix}.", hint="See `crmd jobs list`.")
    if len(rows) > 1:
        raise UsageError(f"More than one job's id begins with {prefix}.", hint="Give more of it.")
    found: UUID = rows[0]["id"]
    return found

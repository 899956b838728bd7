"""The database as commands use it that only look or change a row: no migration, no plugins."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, TypeVar

import asyncpg

from crmd.cli.asking import bounds_of, only_one
from crmd.cli.session import configured, in_loop, log_quietly
from crmd.errors import CrmdError
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
_AnswerT = TypeVar("_AnswerT")


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


def on_database(arguments: Namespace, work: Callable[[Pool, Config], Awaitable[_AnswerT]]) -> _AnswerT:
    """Do what needs no more than the database of the configuration; gives what `work` does."""
    log_quietly(arguments)
    config = configured(arguments)

    async def reach() -> _AnswerT:
        async with database(config) as pool:
            return await work(pool, config)

    return in_loop(config, reach)


async def job_id_of(pool: Pool, prefix: str) -> UUID:
    """The job whose id begins so.

    Raises:
        UsageError: There is none, or more than one.
    """
    found: UUID = only_one(await pool.fetch(_SQL.ids_like, *bounds_of(prefix, "job")), prefix, "job")["id"]
    return found

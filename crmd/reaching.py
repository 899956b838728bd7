"""Reaches the database of a configuration: the one of `database.dsn`, or the embedded one."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from crmd.store.pools import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crmd.config.loading import Config


@contextlib.asynccontextmanager
async def reached(config: Config, *, is_daemon: bool = False) -> AsyncIterator[Server]:
    """The database of the configuration: the one of `database.dsn`, or the embedded one.

    Args:
        config: The configuration.
        is_daemon: Run the embedded server and supervise it; a command only borrows it where a daemon has it.

    Raises:
        CrmdError: One sentence about what keeps the embedded server from starting.
    """
    database = config.database
    if database.dsn is not None:
        yield _server(config, database.dsn.reveal())
        return
    if is_daemon:
        from crmd.embedded.supervisor import running_embedded  # noqa: PLC0415 - only where the embedded server is used

        async with running_embedded(
            config.state_dir, runtime_dir=config.runtime_dir, settings=config.embedded
        ) as server:
            yield _server(config, server.dsn.reveal())
        return
    from crmd.embedded.attaching import reachable_embedded  # noqa: PLC0415 - only where the embedded server is used

    async with reachable_embedded(
        config.state_dir, runtime_dir=config.runtime_dir, settings=config.embedded
    ) as address:
        yield _server(config, address.reveal())


def _server(config: Config, dsn: str) -> Server:
    database = config.database
    return Server(
        dsn=dsn,
        listen_dsn=None if database.listen_dsn is None else database.listen_dsn.reveal(),
        pool_max=database.pool_max,
        connect_timeout_seconds=database.connect_timeout_seconds,
        statement_timeout_seconds=database.statement_timeout_seconds,
        statement_cache=database.statement_cache,
    )

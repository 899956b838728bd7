"""What every test of the core may use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crmd.config.loading import Config


@pytest.fixture
async def database(crmd_config: Config) -> AsyncIterator[asyncpg.Pool[asyncpg.Record]]:
    """A pool on a migrated database of the test's own, without plugins."""
    assert crmd_config.database.dsn is not None
    async with asyncpg.create_pool(crmd_config.database.dsn.reveal(), min_size=0, max_size=10) as pool:
        yield pool


@pytest.fixture
async def outside(crmd_config: Config) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection as any program has one that knows nothing of crmd but its functions."""
    assert crmd_config.database.dsn is not None
    connection = await asyncpg.connect(crmd_config.database.dsn.reveal())
    yield connection
    await connection.close()


@pytest.fixture
async def migrated_dsn(crmd_config: Config) -> str:
    """The address of a migrated database of the test's own: an empty one is migrated by the first daemon."""
    assert crmd_config.database.dsn is not None
    return crmd_config.database.dsn.reveal()

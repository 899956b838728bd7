"""What every test of the core may use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crmd.config.loading import Config


REPOSITORY = Path(__file__).parents[1]


@pytest.fixture
async def database(crmd_config: Config) -> AsyncIterator[asyncpg.Pool[asyncpg.Record]]:
    """A pool on a migrated database of the test's own, without plugins."""
    assert crmd_config.database.dsn is not None
    async with asyncpg.create_pool(crmd_config.database.dsn.reveal(), min_size=0, max_size=10) as pool:
        yield pool


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real-world mail that stands beside a checkout, or in $CRMD_TEST_DATA."""
    folder = Path(os.environ.get("CRMD_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the real-world mail is not here ({folder})")
    return folder

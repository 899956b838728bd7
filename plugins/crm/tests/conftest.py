from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import crmd_crm
import pytest

if TYPE_CHECKING:
    import crmd

    Pool = asyncpg.Pool[asyncpg.Record]

Build = Callable[..., bytes]
Corpus = Callable[[str], list[Path]]


@pytest.fixture
def build() -> Build:
    """A message from header lines and a body, CRLF throughout; `headers` may hold anything."""

    def make(*headers: str | bytes, body: str | bytes = "Hello.") -> bytes:
        lines = [line.encode() if isinstance(line, str) else line for line in headers]
        text = body.encode() if isinstance(body, str) else body
        return b"\r\n".join([*lines, b"", text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")])

    return make


@dataclass(frozen=True, slots=True)
class Crm:
    """A database with schema crm; `transaction` runs as plugins do, for the workspace given."""

    pool: Pool
    workspace_id: UUID
    connection_id: UUID

    @asynccontextmanager
    async def transaction(self, workspace_id: UUID | None = None) -> AsyncIterator[crmd.Statements]:
        """A transaction under row-level security."""
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL ROLE crmd_app")
            chosen = str(workspace_id or self.workspace_id)
            await connection.execute("SELECT set_config('crmd.workspace_id', $1, true)", chosen)
            yield connection


@pytest.fixture
async def crm(crmd_config: Any) -> AsyncIterator[Crm]:  # noqa: ANN401 - the core's own type, not for plugins
    """An empty schema crm, and the ids of a workspace and a connection."""
    dsn = crmd_config.database.dsn.reveal()
    async with asyncpg.create_pool(dsn, min_size=0, max_size=4, init=_read_json) as pool:
        yield Crm(pool, uuid4(), uuid4())


async def _read_json(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """As a plugin's connections do, once each: the server is asked about the type."""
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test of this folder a database that is migrated for this plugin alone."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.crmd_plugins(crmd_crm))

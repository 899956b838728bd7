"""A primary with a streaming standby, to be cut off, promoted and left behind."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import anyio
import asyncpg
from private_postgres import empty_server, private_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from private_postgres import PrivateServer

WAIT_SECONDS = 60.0
HAS_ALL = "SELECT coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, false)"
IS_CUT = "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)"
IS_PRIMARY = "SELECT NOT pg_is_in_recovery()"


@dataclass(frozen=True, slots=True)
class Pair:
    """Both servers."""

    primary: PrivateServer
    standby: PrivateServer

    @property
    def dsn(self) -> str:
        """One address for both, the old primary first."""
        hosts = ",".join(quote(str(server.folder), safe="") for server in (self.primary, self.standby))
        return f"postgresql://postgres@/postgres?host={hosts}"

    async def catch_up(self) -> None:
        """Wait until the standby has everything."""
        primary = await asyncpg.connect(self.primary.dsn)
        lsn = await primary.fetchval("SELECT pg_current_wal_insert_lsn()::text")
        await primary.close()
        await self._until(HAS_ALL, lsn)

    async def cut(self) -> None:
        """Let nothing more reach the standby."""
        standby = await asyncpg.connect(self.standby.dsn)
        await standby.execute("ALTER SYSTEM SET primary_conninfo = ''")
        await standby.execute("SELECT pg_reload_conf()")
        await standby.close()
        await self._until(IS_CUT)

    async def promote(self) -> None:
        """Make the standby a primary; the old one goes on and knows nothing."""
        standby = await asyncpg.connect(self.standby.dsn)
        await standby.execute("SELECT pg_promote()")
        await standby.close()
        await self._until(IS_PRIMARY)

    async def _until(self, query: str, *args: object) -> None:
        standby = await asyncpg.connect(self.standby.dsn)
        deadline = time.monotonic() + WAIT_SECONDS
        while not await standby.fetchval(query, *args):
            assert time.monotonic() < deadline, query
            await anyio.sleep(0.02)
        await standby.close()


@contextlib.contextmanager
def running_pair(programs: Path) -> Iterator[Pair]:
    """A primary and its standby, both running."""
    with private_server(programs) as primary, empty_server(programs) as standby:
        folder, data = str(primary.folder), str(standby.folder / "data")
        standby.run(
            "pg_basebackup", "-D", data, "-h", folder, "-U", "postgres", "-R", "-X", "stream", "-c", "fast", "-N"
        )
        standby.start()
        yield Pair(primary, standby)

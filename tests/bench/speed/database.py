"""A fresh database for each figure, made from one that crmd has migrated, so that no figure pays for another."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from speed.cluster import programs_of, running_cluster
from speed.daemons import environment, install_plugin
from speed.failure import BenchError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from speed.cluster import Cluster

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]

TEMPLATE = "migrated"
NEWEST = 18
OLDEST = 15


@dataclass
class Database:
    """One database.

    Attributes:
        cluster: Where it is.
        name: Its name there.
        folder: For state and logs of daemons.
        connection: To look on.
    """

    cluster: Cluster
    name: str
    folder: Path
    connection: Connection

    @property
    def dsn(self) -> str:
        """Its address."""
        return self.cluster.dsn(self.name)

    async def settle(self) -> None:
        """What was just filled is as it would be after a while.

        There is no checkpoint: behind one, the next write of each page would log the whole page, and a drain would pay
        for the fill once more.
        """
        await self.connection.execute("VACUUM ANALYZE crmd.job")

    async def wal_bytes(self) -> float:
        """Where the write-ahead log ends."""
        return float(await self.connection.fetchval("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"))


@dataclass
class Ground:
    """The servers that figures are taken on, by major version.

    Attributes:
        folder: For what daemons keep.
        clusters: Those that run.
    """

    folder: Path
    clusters: dict[int, Cluster]
    _migrated: set[int] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def versions(self) -> list[int]:
        """The major versions at hand."""
        return list(self.clusters)

    @contextlib.asynccontextmanager
    async def fresh(self, major: int = NEWEST, *, template: str = TEMPLATE) -> AsyncIterator[Database]:
        """A database that is gone after the block.

        Args:
            major: Version of the server.
            template: `migrated` holds crmd's schema and the job types of the plugin; `template0` nothing.
        """
        cluster, name = self.clusters[major], f"fresh{next(self._numbers)}"
        folder = self.folder / name
        folder.mkdir()
        (folder / "site").symlink_to(self.folder / "site")
        if template == TEMPLATE:
            await self._migrate(major)
        await _administer(cluster, f"CREATE DATABASE {name} TEMPLATE {template}", "CHECKPOINT")
        connection = await asyncpg.connect(cluster.dsn(name))
        database = Database(cluster, name, folder, connection)
        try:
            yield database
        finally:
            await database.connection.close()
            await _administer(cluster, f"DROP DATABASE {name} WITH (FORCE)")

    async def _migrate(self, major: int) -> None:
        if major in self._migrated:
            return
        cluster = self.clusters[major]
        await _administer(cluster, f"CREATE DATABASE {TEMPLATE}")
        environ = environment(cluster.dsn(TEMPLATE), self.folder, {})
        command = [sys.executable, "-m", "crmd", "migrate"]
        done = await asyncio.to_thread(
            subprocess.run, command, env=environ, capture_output=True, text=True, check=False, cwd=self.folder
        )
        if done.returncode != 0:
            raise BenchError(f"crmd migrate failed: {done.stderr[-1000:]}")
        self._migrated.add(major)


@contextlib.contextmanager
def prepared_ground(versions: set[int]) -> Iterator[Ground]:
    """Servers of these major versions where they are installed, and a folder with the plugin."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crmd-bench-")))
        install_plugin(folder / "site")
        clusters = {
            major: stack.enter_context(running_cluster(binaries))
            for major in sorted(versions, reverse=True)
            if (binaries := programs_of(major)) is not None
        }
        if NEWEST not in clusters:
            raise BenchError(f"PostgreSQL {NEWEST} is not installed: pip install 'crmd[embedded-db]'")
        yield Ground(folder, clusters)


async def _administer(cluster: Cluster, *statements: str) -> None:
    """Outside any transaction, and in order."""
    connection = await asyncpg.connect(cluster.dsn())
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()

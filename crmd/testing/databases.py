"""A PostgreSQL server for a test session, and a database of its own for each test, cloned from a template."""

from __future__ import annotations

import itertools
import os
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit, urlunsplit

import anyio
import asyncpg

from crmd.embedded.supervisor import temporary_embedded
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from types import TracebackType

_SQL = load_queries("crmd.testing")
DSN_VARIABLE = "CRMD_TEST_DSN"
START_SECONDS = 60.0
MEMORY = Path("/dev/shm")  # noqa: S108 - only a folder with a random name is made there
MEMORY_MIN_BYTES = 4 * 1024**3
_COUNTER = itertools.count(1)


def quick_folder() -> Path | None:
    """Memory that looks like a folder, where this machine has plenty; None: what is kept there may fill it.

    A database is some 300 small files, and each test has one: made and removed in memory they cost a quarter.
    """
    if not os.access(MEMORY, os.W_OK | os.X_OK) or os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
        return None  # the server's programs may have to be copied beside its data
    return MEMORY if shutil.disk_usage(MEMORY).free >= MEMORY_MIN_BYTES else None


class TestServer:
    """The server of a session: the one of `$CRMD_TEST_DSN`, or an embedded one that a thread keeps running."""

    __test__ = False

    def __init__(self) -> None:
        self._dsn = os.environ.get(DSN_VARIABLE, "")
        self._ready = threading.Event()
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._templates: dict[str, str] = {}

    def __enter__(self) -> Self:
        if not self._dsn:
            self._thread = threading.Thread(target=self._serve, name="crmd test server", daemon=True)
            self._thread.start()
            if not self._ready.wait(START_SECONDS) or self._error is not None:
                raise RuntimeError(f"the test server did not start: {self._error}") from self._error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(START_SECONDS)

    def dsn(self, database: str = "") -> str:
        """The address of a database of this server; "" is the one to administer from."""
        if not database:
            return self._dsn
        parts = urlsplit(self._dsn)
        return urlunsplit(parts._replace(path=f"/{database}"))

    async def create(self, template: str = "template0") -> str:
        """Make a database; answers its name."""
        name = f"crmd_test_{os.getpid()}_{next(_COUNTER)}"
        await self._administer(_SQL.database_create.format(name=name, template=template))
        return name

    async def drop(self, name: str) -> None:
        """Remove a database with whoever is still in it."""
        await self._administer(_SQL.database_drop.format(name=name))

    def template(self, key: str) -> str | None:
        """The database that was kept as a template under this key."""
        return self._templates.get(key)

    def keep_template(self, key: str, name: str) -> None:
        """Keep a database as the template for this key; nobody may be in it any more."""
        self._templates[key] = name

    async def _administer(self, statement: str) -> None:
        connection = await asyncpg.connect(self._dsn)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def _serve(self) -> None:
        try:
            anyio.run(self._keep_running)
        except BaseException as error:  # noqa: BLE001 - told to the thread that waits
            self._error = error
            self._ready.set()

    async def _keep_running(self) -> None:
        async with temporary_embedded({"max_connections": "200"}, below=quick_folder()) as server:
            self._dsn = server.dsn.reveal()
            self._ready.set()
            await anyio.to_thread.run_sync(self._stop.wait)

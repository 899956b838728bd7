"""The database that chaos is made on: a server of our own that may be stopped, or a database made on somebody's."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import asyncpg

from crmd.embedded.folders import SOCKET_NAME
from crmd.embedded.supervisor import unattended_embedded
from crmd.errors import UnreachableError, UsageError
from crmd.store.pools import UNREACHABLE
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crmd.embedded.server import EmbeddedServer

_SQL = load_queries("crmd.chaos")
# Nothing here survives a crash of the machine, but everything must survive one of the server: commits are handed to the
# operating system before they are answered.
SETTINGS = {"fsync": "off", "max_connections": "250", "max_wal_size": "1GB", "log_min_messages": "fatal"}


class Scratch(Protocol):
    """A database for one run.

    Attributes:
        dsn: For whoever only looks on.
        host: For links: a name, or the path of a socket.
        port: For links.
        is_ours: Whether the server may be stopped.
    """

    dsn: str
    host: str
    port: int
    is_ours: bool

    def dsn_through(self, port: int) -> str:
        """The address for a daemon behind a link."""

    async def halt(self, *, is_crash: bool) -> None:
        """Stop the server; wait until it has ended."""

    async def resume(self) -> None:
        """Start it again, and wait until it answers."""


@dataclass(slots=True)
class OwnServer:
    """An embedded server of the run's own."""

    server: EmbeddedServer
    dsn: str = field(repr=False)
    host: str
    port: int = 0
    is_ours: bool = True

    def dsn_through(self, port: int) -> str:
        """Over TCP, though the server listens on a socket only."""
        return through(self.dsn, port)

    async def halt(self, *, is_crash: bool) -> None:
        """A fast stop rolls back what is open; a crash leaves even that to the next start."""
        if self.server.pid is not None:
            os.kill(self.server.pid, signal.SIGQUIT if is_crash else signal.SIGINT)
            await self.server.wait()

    async def resume(self) -> None:
        """Start it again where it has ended."""
        if self.server.pid is None:
            await self.server.start()


@dataclass(slots=True)
class OthersServer:
    """A database of the run's own on a server of somebody else's."""

    dsn: str = field(repr=False)
    host: str
    port: int
    is_ours: bool = False

    def dsn_through(self, port: int) -> str:
        """The same user and database, at the link."""
        return through(self.dsn, port)

    async def halt(self, *, is_crash: bool) -> None:
        """Never planned for a server that is not ours."""
        raise RuntimeError(f"this server is not ours to {'crash' if is_crash else 'stop'}")

    async def resume(self) -> None:
        """It was never stopped."""


def through(dsn: str, port: int) -> str:
    """The address of a database as it is behind a link on this machine."""
    parts = urlsplit(dsn)
    account = parts.netloc.rpartition("@")[0]
    query = urlencode([pair for pair in parse_qsl(parts.query) if pair[0] not in {"host", "port"}])
    return urlunsplit(parts._replace(netloc=f"{account}@127.0.0.1:{port}", query=query))


@contextlib.asynccontextmanager
async def own_server() -> AsyncIterator[Scratch]:
    """An embedded server that is gone, with its data, after the block."""
    async with unattended_embedded(SETTINGS) as server:
        yield OwnServer(server, f"{server.dsn.reveal()}&sslmode=disable", str(server.socket_dir / SOCKET_NAME))


@contextlib.asynccontextmanager
async def others_server(dsn: str, word: str | None) -> AsyncIterator[Scratch]:
    """A database that is made on the server of `dsn`, and dropped after the block.

    Args:
        dsn: A database to connect to first; nothing is written there. Without a password.
        word: The password, if one is needed.

    Raises:
        UsageError: It is no URL, holds a password, or its database is in use by crmd.
        UnreachableError: The server does not answer, or refuses us.
    """
    refuse_address(dsn)
    parts = urlsplit(dsn)
    host, port = parts.hostname or "", parts.port or 5432
    account = quote(parts.username or "") + (f":{quote(word, safe='')}" if word else "")
    address = urlunsplit(parts._replace(netloc=f"{account}@{host}:{port}"))
    name = f"crmd_chaos_{secrets.token_hex(6)}"
    await _administer(address, name, "database_make", is_checked=True)
    try:
        yield OthersServer(urlunsplit(urlsplit(address)._replace(path=f"/{name}")), host, port)
    finally:
        await _administer(address, name, "database_drop")


def refuse_address(dsn: str) -> None:
    """Refuse what is no address of a server, before anything is begun.

    Raises:
        UsageError: It is no URL, or holds a password.
    """
    hint = "Write postgresql://USER@HOST/DATABASE."
    try:
        parts = urlsplit(dsn)
        is_whole = bool(parts.hostname and parts.username) and parts.port != 0
    except ValueError as error:
        raise UsageError("--dsn is not a URL of a server.", hint=hint) from error
    if not is_whole:
        raise UsageError("--dsn is not a URL of a server.", hint=hint)
    if parts.password:
        raise UsageError(
            "--dsn holds a password, which every user of this machine could read.", hint="Give it as $PGPASSWORD."
        )


async def _administer(address: str, name: str, statement: str, *, is_checked: bool = False) -> None:
    try:
        connection = await asyncpg.connect(address, timeout=10)
    except (*UNREACHABLE, asyncpg.PostgresError) as error:
        raise UnreachableError(
            f"The server of --dsn cannot be reached ({type(error).__name__}).", hint="Check the URL and $PGPASSWORD."
        ) from error
    try:
        if is_checked and await connection.fetchval(_SQL.is_in_use):
            raise UsageError(
                "The database of --dsn holds tables of crmd: that is somebody's work, not a place for chaos.",
                hint="Name an empty one, such as postgres; chaos makes its own database beside it.",
            )
        await connection.execute(getattr(_SQL, statement).format(name=name))
    finally:
        await connection.close()

"""A TCP proxy inside the test whose links can be cut, go silent, lose the answer to one statement or keep it back."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit, urlunsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

CHUNK = 65_536


class Proxy:
    """Passes bytes on between whoever connects and one server: a host with a port, or the path of a socket.

    Attributes:
        port: Where it listens on the loopback address.
        cuts: Links that were cut.
        unanswered: Answers that are still to be lost.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._links: set[Link] = set()
        self._is_silent = False
        self._lost = (b"", b"")
        self._meanwhile: tuple[bytes, Callable[[], None]] | None = None
        self.port = 0
        self.cuts = 0
        self.unanswered = 0

    def cut(self) -> None:
        """Cut every link, without a farewell: whoever waits for an answer gets a reset."""
        for link in list(self._links):
            link.cut()
            self.cuts += 2

    def blackhole(self) -> None:
        """From now on nothing that is sent over any link arrives, and nobody is told."""
        self._is_silent = True
        for link in self._links:
            link.is_silent = True

    def heal(self) -> None:
        """New links work; those that went silent never speak again."""
        self._is_silent = False

    def lose_answers(self, sql: bytes, parameter: bytes = b"", *, count: int = 1) -> None:
        """Cut the link instead of passing on the answer to the next statements with such a text and parameter."""
        self._lost, self.unanswered = (sql, parameter), count

    def loses_answer(self, link: Link, data: bytes) -> bool:
        """Whether what a client sends is a statement of which the answer is to be lost."""
        is_it = link.executes(data, *self._lost) and self.unanswered > 0
        self.unanswered -= is_it
        return is_it

    def before_answer(self, sql: bytes, deed: Callable[[], None]) -> None:
        """Do something once the server has answered the next statement with such a text, before the client hears."""
        self._meanwhile = sql, deed

    def deed_before_answer(self, link: Link, data: bytes) -> Callable[[], None] | None:
        """What is to be done before the answer to what a client sends; once."""
        if self._meanwhile is None or not link.executes(data, self._meanwhile[0], b""):
            return None
        _, deed = self._meanwhile
        self._meanwhile = None
        return deed

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self._target
        if host.startswith("/"):
            return await asyncio.open_unix_connection(host)
        return await asyncio.open_connection(host, port)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One link."""
        try:
            far_reader, far_writer = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        link = Link(self, writer, far_writer, is_silent=self._is_silent)
        self._links.add(link)
        try:
            await asyncio.gather(link.ask(reader), link.answer(far_reader))
        finally:
            self._links.discard(link)
            link.cut()


class Link:
    """One connection, as seen from the middle."""

    def __init__(self, proxy: Proxy, near: asyncio.StreamWriter, far: asyncio.StreamWriter, *, is_silent: bool) -> None:
        self._proxy = proxy
        self._near = near
        self._far = far
        self._statements: dict[bytes, bytes] = {}
        self._is_answer_lost = False
        self._deed: Callable[[], None] | None = None
        self.is_silent = is_silent

    def cut(self) -> None:
        """End both ends with a reset."""
        for end in (self._near, self._far):
            end.transport.abort()

    async def ask(self, reader: asyncio.StreamReader) -> None:
        """Pass on what the client sends."""
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                self._is_answer_lost |= self._proxy.loses_answer(self, data)
                self._deed = self._proxy.deed_before_answer(self, data) or self._deed
                await self._pass_on(data, self._far)
        with contextlib.suppress(OSError, RuntimeError):
            self._far.write_eof()

    async def answer(self, reader: asyncio.StreamReader) -> None:
        """Pass on what the server sends."""
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                if self._deed is not None:
                    self._deed()
                    self._deed = None
                if self._is_answer_lost:
                    self.cut()
                    return
                await self._pass_on(data, self._near)
        with contextlib.suppress(OSError, RuntimeError):
            if not self.is_silent:
                self._near.write_eof()

    async def _pass_on(self, data: bytes, to: asyncio.StreamWriter) -> None:
        if not self.is_silent:
            to.write(data)
            await to.drain()

    def executes(self, data: bytes, sql: bytes, parameter: bytes) -> bool:
        """Whether a client's messages execute such a statement; prepared ones are known by name."""
        is_it = False
        for kind, body in _messages(data):
            match kind:
                case b"P":
                    name, text, *_ = body.split(b"\0")
                    self._statements[name] = text
                case b"B":
                    is_it |= sql in self._statements.get(body.split(b"\0")[1], b"") and parameter in body
                case b"Q":
                    is_it |= sql in body
                case _:
                    pass
        return is_it


def _messages(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The client's whole messages of a piece of its stream; none where another protocol is spoken."""
    while len(data) >= 5:
        (length,) = struct.unpack("!I", data[1:5])
        if not 4 <= length < len(data):
            return
        yield data[:1], data[5 : 1 + length]
        data = data[1 + length :]


def address_of(dsn: str) -> tuple[str, int]:
    """Where a server listens, for a proxy: its host and port, or the path of its socket."""
    split = urlsplit(dsn)
    folder = dict(parse_qsl(split.query)).get("host")
    if folder is None:
        return split.hostname or "127.0.0.1", split.port or 5432
    return f"{folder}/.s.PGSQL.{split.port or 5432}", 0


def through(dsn: str, proxy: Proxy) -> str:
    """The same address, through the proxy."""
    split = urlsplit(dsn)
    user, at, _ = split.netloc.rpartition("@")
    return urlunsplit(split._replace(netloc=f"{user}{at}127.0.0.1:{proxy.port}", query="sslmode=disable"))


@contextlib.asynccontextmanager
async def proxying(host: str, port: int) -> AsyncIterator[Proxy]:
    """A proxy to `host:port`, or to the socket `host`, on a free port."""
    proxy = Proxy(host, port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.cut()


@contextlib.asynccontextmanager
async def proxied(dsn: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy to the server of `dsn`, and the address of the same database through it."""
    async with proxying(*address_of(dsn)) as proxy:
        yield proxy, through(dsn, proxy)

"""The link between one daemon and the database: a TCP proxy that can be cut, slowed, and made silent."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Connect = Callable[[Callable[[], asyncio.Protocol]], asyncio.Future[tuple[asyncio.Transport, asyncio.Protocol]]]


class Link:
    """Passes bytes on, both ways, in their order.

    Args:
        host: Of the server, or the path of its socket.
        port: Of the server; 0 for a socket.

    Attributes:
        port: Where it listens on 127.0.0.1.
        delay_seconds: Added to whatever passes.
        is_silent: Nothing passes, ends neither; both are kept until it speaks again.
        cut_after: Bytes after which everything is cut; None: never.
        connection_count: How many a daemon holds now.
        connections_most: How many it held at once.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host, self._server_port = host, port
        self._pairs: set[_Pair] = set()
        self.port = 0
        self.delay_seconds = 0.0
        self.is_silent = False
        self.cut_after: int | None = None
        self.connection_count = 0
        self.connections_most = 0

    def cut(self) -> None:
        """Reset every connection: whoever waits for an answer does not get it."""
        self.cut_after = None
        for pair in list(self._pairs):
            pair.abort()

    def speak(self) -> None:
        """End a silence: what was on its way arrives now, late."""
        self.is_silent = False
        for pair in list(self._pairs):
            pair.flush()

    def heal(self) -> None:
        """Be an ordinary link again."""
        self.cut_after, self.delay_seconds = None, 0.0
        self.speak()

    async def connect(self, factory: Callable[[], asyncio.Protocol]) -> asyncio.Transport:
        """A connection to the server."""
        loop = asyncio.get_running_loop()
        if self._host.startswith("/"):
            transport, _ = await loop.create_unix_connection(factory, self._host)
        else:
            transport, _ = await loop.create_connection(factory, self._host, self._server_port)
        return transport

    def opened(self, pair: _Pair) -> None:
        """Count a connection."""
        self._pairs.add(pair)
        self.connection_count += 1
        self.connections_most = max(self.connections_most, self.connection_count)

    def left(self) -> None:
        """The daemon has ended a connection."""
        self.connection_count -= 1

    def closed(self, pair: _Pair) -> None:
        """Forget a connection."""
        self._pairs.discard(pair)

    def counted(self, size: int) -> bool:
        """Whether so many bytes more are the ones after which everything is cut."""
        if self.cut_after is None:
            return False
        self.cut_after -= size
        return self.cut_after < 0


class _Pair:
    """One connection: its two ends, and what is on its way between them."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.near = _End(self)
        self.far = _End(self)
        self.near.other, self.far.other = self.far, self.near

    async def reach(self) -> None:
        try:
            await self.link.connect(lambda: self.far)
        except OSError:
            self.abort()
            return
        if self.near.has_ended:  # it gave up meanwhile
            self.abort()
        self.flush()

    def flush(self) -> None:
        for end in (self.near, self.far):
            end.flush()

    def abort(self) -> None:
        self.link.closed(self)
        for end in (self.near, self.far):
            if end.transport is not None:
                end.transport.abort()


class _End(asyncio.Protocol):
    """What comes in here goes out at the other end."""

    def __init__(self, pair: _Pair) -> None:
        self._pair = pair
        self._waiting: deque[bytes] = deque()  # to go out here
        self.other: _End = self
        self.transport: asyncio.Transport | None = None
        self.has_ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self is self._pair.near:
            self._pair.link.opened(self._pair)
            self._reaching = asyncio.ensure_future(self._pair.reach())

    def data_received(self, data: bytes) -> None:
        link = self._pair.link
        if link.counted(len(data)):
            link.cut()
            return
        self.other.pass_on(data)

    def pass_on(self, data: bytes) -> None:
        """Let it go out here, at once or late; what finds this end gone is lost."""
        link = self._pair.link
        if not (link.delay_seconds or link.is_silent or self._waiting or self.transport is None):
            self._write(data)
            return
        self._waiting.append(data)
        if not link.is_silent:
            asyncio.get_running_loop().call_later(link.delay_seconds, self.pass_one)

    def pass_one(self) -> None:
        """Each delayed piece sends the oldest, so that the order holds however long each waits."""
        if self._waiting and self.transport is not None and not self._pair.link.is_silent:
            self._write(self._waiting.popleft())

    def flush(self) -> None:
        """Send what waits, and the end of the other side behind it."""
        if self.transport is None or self._pair.link.is_silent:
            return
        self._write(b"".join(self._waiting))
        self._waiting.clear()
        if self.other.has_ended:
            self.transport.close()

    def _write(self, data: bytes) -> None:
        if self.transport is not None and not (self.has_ended or self.transport.is_closing()):
            self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's own signature
        self.has_ended = True
        if self is self._pair.near:
            self._pair.link.left()
        if not self._pair.link.is_silent:
            self.other.flush()
            if self.other.has_ended or self.other.transport is None:
                self._pair.link.closed(self._pair)


@contextlib.asynccontextmanager
async def linked(host: str, port: int) -> AsyncIterator[Link]:
    """A link to a server, on a free port."""
    link = Link(host, port)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Pair(link).near, "127.0.0.1", 0)
    link.port = server.sockets[0].getsockname()[1]
    try:
        yield link
    finally:
        server.close()
        link.cut()
        await asyncio.sleep(0)  # in which the loop closes what was reset

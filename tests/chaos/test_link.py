"""The link between a daemon and the database: what passes, what waits, what is lost, and in which order."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from crmd.chaos.link import Link, linked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATIENCE_SECONDS = 10.0


class Echo:
    """A server that sends back what it gets, and counts what it got."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.served: set[asyncio.Task[None] | None] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.served.add(asyncio.current_task())
        with contextlib.suppress(OSError):
            while data := await reader.read(1000):
                self.got += data
                writer.write(data)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def echoed() -> AsyncIterator[tuple[Link, Echo]]:
    """A link to a server that echoes."""
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    async with linked("127.0.0.1", server.sockets[0].getsockname()[1]) as link:
        yield link, echo
    server.close()
    await asyncio.gather(*(task for task in echo.served if task is not None))
    await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def connected(link: Link) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection through a link."""
    reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def echo_of(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> bytes:
    """Send, and read as much back."""
    writer.write(data)
    return await asyncio.wait_for(reader.readexactly(len(data)), PATIENCE_SECONDS)


async def test_what_is_sent_comes_through() -> None:
    """An ordinary link changes nothing, and counts the connections that are open."""
    async with echoed() as (link, _):
        async with connected(link) as (reader, writer), connected(link) as other:
            assert await echo_of(reader, writer, b"x" * 100_000) == b"x" * 100_000
            assert await echo_of(*other, b"y") == b"y"
            assert link.connection_count == 2
        async with connected(link) as third:
            assert await echo_of(*third, b"z") == b"z"
        assert link.connections_most >= 2


async def test_a_cut_is_noticed() -> None:
    """After a cut both ends know, and a new connection works."""
    async with echoed() as (link, _):
        async with connected(link) as (reader, writer):
            await echo_of(reader, writer, b"x")
            link.cut()
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await asyncio.wait_for(reader.readexactly(1), PATIENCE_SECONDS)
        async with connected(link) as other:
            assert await echo_of(*other, b"y") == b"y"


async def test_a_cut_comes_after_so_many_bytes() -> None:
    """So many bytes pass, counted both ways; the piece that is too much is lost with everything after it."""
    async with echoed() as (link, echo):
        link.cut_after = 10
        async with connected(link) as (reader, writer):
            assert await echo_of(reader, writer, b"12345") == b"12345"
            writer.write(b"6")
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await asyncio.wait_for(reader.readexactly(1), PATIENCE_SECONDS)
        assert bytes(echo.got) == b"12345"
        assert link.cut_after is None


async def test_a_silence_holds_everything_back() -> None:
    """Nothing comes through a silent link, neither data nor ends; all of it arrives, in order, when it speaks again."""
    async with echoed() as (link, echo), connected(link) as (reader, writer):
        await echo_of(reader, writer, b"0")
        link.is_silent = True
        async with connected(link) as (_, late):
            late.write(b"late")
            await late.drain()
        writer.write(b"1")
        writer.write(b"2")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(1), 0.1)
        assert bytes(echo.got) == b"0"
        link.speak()
        assert await asyncio.wait_for(reader.readexactly(2), PATIENCE_SECONDS) == b"12"


async def test_a_slow_link_keeps_the_order() -> None:
    """Whatever the delay is changed to meanwhile, bytes arrive in the order in which they were sent."""
    async with echoed() as (link, _), connected(link) as (reader, writer):
        sent = b""
        for number in range(20):
            link.delay_seconds = 0.0 if number % 3 == 0 else 0.01 * (number % 3)
            piece = f"{number} ".encode()
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
            sent += piece
        assert await asyncio.wait_for(reader.readexactly(len(sent)), PATIENCE_SECONDS) == sent


async def test_a_server_that_is_away_resets() -> None:
    """Where nobody listens behind the link, a connection ends at once."""
    async with linked("127.0.0.1", 1) as link, connected(link) as (reader, _):
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(1), PATIENCE_SECONDS) == b""

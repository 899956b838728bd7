"""Reads server-sent events as a front end does: over fetch, with a key in a header."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import aiohttp
    from api_server import ApiServer

PATIENCE_SECONDS = 30.0


@dataclass(frozen=True)
class Heard:
    """One event.

    Attributes:
        name: Of the event.
        id: Of the event.
        data: Decoded.
    """

    name: str
    id: str
    data: Any


@dataclass
class Reader:
    """One open stream.

    Attributes:
        response: Of HTTP.
        heard: All events so far.
        comments: All comments so far.
        retry: What the stream asks for.
    """

    response: aiohttp.ClientResponse
    heard: list[Heard] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    retry: str = ""

    async def next(self) -> Heard | None:
        """The next event; None: the stream has ended."""
        lines: dict[str, str] = {}
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for raw in self.response.content:
                name, _, value = raw.decode().rstrip("\n").partition(":")
                if raw == b"\n" and "data" in lines:
                    event = Heard(lines["event"], lines["id"], msgspec.json.decode(lines["data"]))
                    self.heard.append(event)
                    return event
                if not name:
                    self.comments += [value.strip()] if value else []
                lines[name] = value.strip()
                self.retry = lines.get("retry", self.retry)
        return None

    async def until(self, fits: Callable[[Heard], bool]) -> Heard:
        """Read as far as an event that fits."""
        while (event := await self.next()) is not None:
            if fits(event):
                return event
        raise AssertionError(f"the stream ended; heard {self.heard}")

    async def until_status(self, job_id: str, status: str) -> Heard:
        """Read as far as a job that stands so."""
        return await self.until(
            lambda event: event.name == "job" and (event.data["id"], event.data["status"]) == (job_id, status)
        )

    @property
    def place(self) -> str:
        """The id of the last event."""
        return self.heard[-1].id


@dataclass(frozen=True)
class Source:
    """Where streams come from.

    Attributes:
        session: Of the client.
        address: Of the server.
        key: To be sent.
    """

    session: aiohttp.ClientSession
    address: str
    key: str


@contextlib.asynccontextmanager
async def watching(
    api: ApiServer | Source, path: str, *, key: str | None = None, after: str = ""
) -> AsyncIterator[Reader]:
    """A stream, open within the block."""
    headers = {"Authorization": f"Bearer {api.key if key is None else key}"}
    if after:
        headers["Last-Event-ID"] = after
    async with api.session.get(api.address + path, headers=headers, timeout=None, read_bufsize=2**22) as response:
        assert response.status == 200, await response.text()
        assert response.headers["Content-Type"].startswith("text/event-stream")
        yield Reader(response)

"""Streams as they are served: seats, the response, and the rounds of who looks after them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from functools import partial
from typing import TYPE_CHECKING

import anyio
from aiohttp import web

from crmd.api.app import SECURITY
from crmd.api.live.event import HELLO
from crmd.api.live.hub import Hub
from crmd.api.live.stream import PIECE_BYTES
from crmd.api.problem import Problem
from crmd.engine.forever import forever
from crmd.lone_error import lone_error
from crmd.store.pools import UNREACHABLE, open_one_pool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.abc import AbstractStreamWriter

    from crmd.api.live.stream import Stream, Wish
    from crmd.api.state import State

_LOG = logging.getLogger("crmd.api")
CONNECTIONS = 2
BEAT_SECONDS = 15.0
CHECK_SECONDS = 60.0
ROUND_SECONDS = 1.0
# A reader that takes nothing for so long is slow.
SLOW_SECONDS = 30.0
HEADERS = {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@contextlib.asynccontextmanager
async def telling(state: State) -> AsyncIterator[Hub]:
    """Within the block streams can be opened; at its end all are told good-bye."""
    async with open_one_pool(state.services.pools.server, "crmd live", CONNECTIONS) as pool:
        hub = state.hub = Hub(pool, state)
        state.hear(state.services.watchers.changed)
        with lone_error():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(forever, "live streams", hub.turn_once, _nobody)
                tasks.start_soon(forever, "rounds of live streams", partial(go_round_once, hub), _nobody)
                try:
                    yield hub
                finally:
                    hub.farewell("drain")
                    state.services.watchers.end()
                    tasks.cancel_scope.cancel()


async def serve(
    hub: Hub, wish: Wish, request: web.Request, streams_per_key_max: int, streams_max: int
) -> web.StreamResponse:
    """Answer a request with a stream, until it ends.

    Raises:
        Problem: 404, or 429: no seat is left.
    """
    name = wish.identity.name
    hub.audience.seat(name, streams_per_key_max, streams_max)
    try:
        stream = await hub.open(wish, request.headers.get("Last-Event-ID"))
        stream.check_at = time.monotonic() + _seconds_left(wish)
        try:
            return await _sent(hub, stream, request)
        finally:
            hub.close(stream)
    finally:
        hub.audience.leave(name)


def _nobody(_outage: str) -> None:
    """The engine tells of outages."""


async def _sent(hub: Hub, stream: Stream, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={**SECURITY, **HEADERS})
    with contextlib.suppress(ConnectionError):  # nobody is there any more
        try:
            writer = await response.prepare(request)
            if writer is None or request.transport is None:
                return response
            # Beyond a piece nothing is put into a buffer: thousands of readers may be slow at once.
            request.transport.set_write_buffer_limits(high=PIECE_BYTES)
            await _send(writer, HELLO + stream.take())
            while not stream.is_over:
                await stream.stir()
                if stream.is_stale:
                    await _renew(hub, stream)
                if data := stream.take():
                    await _send(writer, data)
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
    return response


async def _renew(hub: Hub, stream: Stream) -> None:
    """Begin anew; where that cannot be done now, whoever watches comes again by itself."""
    try:
        await hub.renew(stream)
    except (Problem, *UNREACHABLE) as error:
        _LOG.warning("a stream ends that has missed too much (%s)", type(error).__name__)
        stream.end("unavailable")


async def _send(writer: AbstractStreamWriter, data: bytes) -> None:
    """Give it to the reader, piece by piece, as it takes them.

    Raises:
        TimeoutError: It does not take them.
    """
    for start in range(0, len(data), PIECE_BYTES):
        async with asyncio.timeout(SLOW_SECONDS):
            await writer.write(data[start : start + PIECE_BYTES])
            await writer.drain()


async def go_round_once(hub: Hub) -> float:
    """See after every stream: whether its reader is there, may still see it, and has heard anything lately."""
    now = time.monotonic()
    for stream in list(hub.audience):
        if stream.wish.is_lost():
            stream.end("lost")
        elif now >= stream.check_at:
            await check(stream, now)
        if now - stream.sent_at >= BEAT_SECONDS:
            stream.beat()
    return ROUND_SECONDS


async def check(stream: Stream, now: float) -> None:
    """End a stream whose key or token has ended; look again in a minute, or when the token ends."""
    left = _seconds_left(stream.wish)
    if left < 0 or not await stream.wish.is_allowed():
        stream.end("key ended")
    stream.check_at = now + left


def _seconds_left(wish: Wish) -> float:
    """Until its caller is looked up again; negative: the token has run out."""
    ends_at = wish.identity.expires_at
    return CHECK_SECONDS if ends_at is None else min(CHECK_SECONDS, ends_at - time.time())

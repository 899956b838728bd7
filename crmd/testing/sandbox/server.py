"""The HTTP side of any fake provider: one loopback server that makes calls of requests and spoils answers on order."""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from aiohttp import web

from crmd.testing.sandbox.exchange import Call, RefusedCall, Reply
from crmd.testing.sandbox.faults import Fault, FaultPlan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from crmd.testing.sandbox.recording import RequestLog

BODY_BYTES_MAX = 64 * 1024 * 1024


class ProviderServer:
    """Receives requests, takes planned faults and delivers answers; what the answers are is the provider's matter.

    Args:
        answer: Gives the answer to a call; runs in one go, so calls never interleave.
        refuse: Words a fault with a status as the provider would.
        faults: The faults to show.
        log: Where requests and violations are kept.
        concurrent_max: How many requests with one Authorization header may be open at once; None for no limit.
    """

    def __init__(
        self,
        answer: Callable[[Call], Reply],
        refuse: Callable[[Fault], Reply],
        faults: FaultPlan,
        log: RequestLog,
        concurrent_max: int | None = None,
    ) -> None:
        self._answer = answer
        self._refuse = refuse
        self._faults = faults
        self._log = log
        self._concurrent_max = concurrent_max
        self._open: Counter[str] = Counter()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, or cut it."""
        call = await _call_from(request)
        key = call.headers.get("authorization", "")
        self._open[key] += 1
        try:
            return await self._deliver(request, call, is_crowded=self._is_crowded(key))
        finally:
            self._open[key] -= 1

    def _is_crowded(self, key: str) -> bool:
        return bool(key) and self._concurrent_max is not None and self._open[key] > self._concurrent_max

    async def _deliver(self, request: web.Request, call: Call, *, is_crowded: bool) -> web.StreamResponse:
        if is_crowded:
            fault: Fault | None = Fault(429, "rateLimitExceeded", "Too many concurrent requests for user.")
        else:
            fault = self._faults.take(call)
        reply = self._spoiled(call, fault)
        if fault is not None and fault.delay_seconds:
            await anyio.sleep(fault.delay_seconds)
        if fault is not None and fault.is_held:
            await self._faults.released()
        if fault is not None and fault.cut_after_bytes is not None:
            self._log.answered(call, 0)
            return await _cut(request, reply, fault.cut_after_bytes)
        self._log.answered(call, reply.status)
        return web.Response(
            status=reply.status,
            body=reply.body,
            headers=[*reply.headers, ("Content-Type", reply.content_type)],
        )

    def _spoiled(self, call: Call, fault: Fault | None) -> Reply:
        if fault is not None and fault.status is not None and not fault.has_happened:
            return self._refuse(fault)
        try:
            reply = self._answer(call)
        except RefusedCall as refused:
            reply = refused.reply
        if fault is not None and fault.status is not None:
            return self._refuse(fault)
        return spoiled_body(reply, fault)


def spoiled_body(reply: Reply, fault: Fault | None) -> Reply:
    """Give the answer with its JSON broken when the fault says so."""
    if fault is None or not fault.is_malformed:
        return reply
    return Reply(reply.status, reply.body[: max(1, len(reply.body) // 2)], reply.content_type, reply.headers)


@asynccontextmanager
async def serving(server: ProviderServer, faults: FaultPlan, port: int = 0) -> AsyncIterator[str]:
    """Serve on the loopback address and give the URL without a trailing slash; held answers are let go at the end."""
    app = web.Application(client_max_size=BODY_BYTES_MAX)
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        host, bound_port = runner.addresses[0][:2]
        yield f"http://{host}:{bound_port}"
    finally:
        faults.release()
        await runner.cleanup()


async def _call_from(request: web.Request) -> Call:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Call(request.method, request.path, tuple(request.query.items()), headers, await request.read())


async def _cut(request: web.Request, reply: Reply, after_bytes: int) -> web.StreamResponse:
    """Promise the whole body, send its beginning and drop the connection, so that the client sees a broken answer."""
    response = web.StreamResponse(status=reply.status, headers={"Content-Type": reply.content_type})
    response.content_length = len(reply.body) + 1
    await response.prepare(request)
    await response.write(reply.body[:after_bytes])
    if request.transport is not None:
        request.transport.close()
    return response

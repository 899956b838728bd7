"""Counts requests by route and status, and how long they took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import hdrs, web
from aiohttp.abc import AbstractAccessLogger

from crmd.clock import boot_seconds

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.typedefs import Middleware

    from crmd.tally import Tally

UNKNOWN = "unknown"
"""The route of a request that meant none, and the method of one that is not known."""
_SEEN = web.RequestKey("is_counted", bool)


def counted(tally: Tally) -> Middleware:
    """A middleware that counts."""

    @web.middleware
    async def count(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        request[_SEEN] = True
        began_at = boot_seconds()
        status = 499  # the client went away before it was answered
        is_stream = False
        try:
            response = await handler(request)
            status, is_stream = response.status, response.content_type == "text/event-stream"
        finally:
            route = route_of(request)
            method = request.method if request.method in hdrs.METH_ALL else UNKNOWN
            tally.requests[method, route, status] += 1
            if not is_stream:
                tally.request_seconds[route].add(boot_seconds() - began_at)
        return response

    return count


def counting_the_rest(tally: Tally) -> type[AbstractAccessLogger]:
    """Told of every answer by aiohttp; those to bytes that are no HTTP come to no middleware, and are counted here."""

    class Rest(AbstractAccessLogger):
        def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:  # noqa: ARG002 - as aiohttp calls it
            if _SEEN not in request:
                tally.requests[UNKNOWN, UNKNOWN, response.status] += 1

    return Rest


def route_of(request: web.Request) -> str:
    """The address as it is declared, with its `{names}`; nothing of what the caller wrote."""
    resource = request.match_info.route.resource
    return UNKNOWN if resource is None else resource.canonical

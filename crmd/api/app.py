"""From routes to an aiohttp application: one dispatcher authenticates, limits, checks, calls and answers."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from crmd.api.authenticating import Authenticator
from crmd.api.counting import counted
from crmd.api.identity import NOBODY
from crmd.api.limiting import Requests
from crmd.api.problem import Problem
from crmd.api.reading import BODY_BYTES_MAX, body_of, checked_path, query_of, workspace_of
from crmd.api.route import RAW, Answer, Call
from crmd.api.static import serve_files
from crmd.errors import CrmdError, UsageError
from crmd.store.pools import UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from crmd.api.identity import Identity
    from crmd.api.route import Route
    from crmd.api.state import State

    Next = Callable[[web.Request], Awaitable[web.StreamResponse]]

_LOG = logging.getLogger("crmd.api")
BODY_SECONDS = 20.0
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Server": "crmd",
}
"""On every answer. No cookie is ever set and no other origin is let in, so there is nothing to forge a request with."""

AUTHENTICATOR = web.AppKey("authenticator", Authenticator)
"""Under this key the application keeps who knows whom, for what has to ask again: streams outlive keys."""

_encode = msgspec.json.Encoder().encode


def application(state: State, routes: Sequence[Route]) -> web.Application:
    """An application that serves these routes, and the pages."""
    app = web.Application(middlewares=[counted(state.services.tally), _guarded], client_max_size=BODY_BYTES_MAX)
    door = Door(state)
    app[AUTHENTICATOR] = door.authenticator
    # Words before names in braces, or /jobs/stream were a job called stream.
    for route in sorted(routes, key=lambda route: [part.startswith("{") for part in route.path.split("/")]):
        app.router.add_route(route.method, route.path, door.handler_of(route))
    serve_files(app)
    return app


class Door:
    """Lets requests in.

    Args:
        state: What the API works with.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self.authenticator = Authenticator(state)
        self.requests = Requests(lambda: state.settings().requests_per_minute)

    def handler_of(self, route: Route) -> Next:
        """What aiohttp calls for requests of a route."""

        async def handle(request: web.Request) -> web.StreamResponse:
            return await self.dispatch(route, request)

        return handle

    async def dispatch(self, route: Route, request: web.Request) -> web.StreamResponse:
        """One request, from its header to its answer."""
        identity = await self._admitted(route, request)
        path = checked_path(route, request)
        workspace_id = workspace_of(identity, path["workspaceId"]) if "workspaceId" in path else None
        if route.scope is not None and identity is not NOBODY:
            if route.needs_operator and not identity.is_operator:
                raise Problem(404, "not-found", "There is no such address.")
            identity.need(route.scope)
        given: dict[str, Any] = {}
        if route.query is not None:
            given["query"] = query_of(request, route.query, takes_more=route.takes_more)
        elif request.query:
            query_of(request, msgspec.defstruct("NoQuery", []))
        if route.body is not None:
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    given["body"], request[RAW] = await body_of(request, route.body)
            except TimeoutError:
                raise Problem(408, "bad-request", "The body took too long to arrive.") from None
        call = Call(state=self._state, identity=identity, path=path, workspace_id=workspace_id, request=request)
        return _response(route, await route.handler(call, **given))

    async def _admitted(self, route: Route, request: web.Request) -> Identity:
        if route.scope is None or (route.is_open is not None and route.is_open(self._state, request)):
            return NOBODY
        identity = await self.authenticator.identify(request.headers.get("Authorization"), self._address_of(request))
        self.requests.take(identity)
        return identity

    def _address_of(self, request: web.Request) -> str:
        """Where it comes from; of what a proxy in front tells, its own word is the last."""
        if self._state.settings().behind_proxy and (told := request.headers.get("X-Forwarded-For")):
            return told.rpartition(",")[2].strip()[:100]
        return request.remote or ""


def _response(route: Route, answer: Any) -> web.StreamResponse:  # noqa: ANN401 - a struct, an Answer or a whole response
    if isinstance(answer, web.StreamResponse):
        return answer
    if not isinstance(answer, Answer):
        answer = Answer(answer, route.status)
    return web.Response(
        body=_encode(answer.body), status=answer.status, headers=answer.headers, content_type=route.media_type
    )


@web.middleware
async def _guarded(request: web.Request, handler: Next) -> web.StreamResponse:
    """Every end of a request is an answer; nothing of what broke inside is in it."""
    try:
        response = await handler(request)
    except Problem as problem:
        response = _told(problem)
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        response = _told(Problem(405, "method-not-allowed", f"Here one can {allowed}.", headers={"Allow": allowed}))
    except web.HTTPException as error:
        if error.status < 400:  # noqa: PLR2004 - redirects are answers
            raise
        kind = "not-found" if error.status == 404 else "bad-request"  # noqa: PLR2004 - the one status with a word
        response = _told(
            Problem(error.status, kind, "There is no such address." if kind == "not-found" else str(error.reason))
        )
    except UsageError as error:
        response = _told(Problem(422, "invalid", error.sentence, hint=error.hint))
    except CrmdError as error:
        response = _told(Problem(409, "conflict", error.sentence, hint=error.hint))
    except UNREACHABLE as error:
        _LOG.warning("a request found no database (%s)", type(error).__name__)
        response = _told(Problem(503, "unavailable", "The database does not answer.", headers={"Retry-After": "2"}))
    except Exception:  # noqa: BLE001 - a request must not end otherwise; it is logged with its traceback
        _LOG.exception("a request to %s %s broke", request.method, request.path)
        response = _told(Problem(500, "internal", "Something broke; it is in the daemon's log."))
    for name, value in SECURITY.items():
        response.headers.setdefault(name, value)
    return response


def _told(problem: Problem) -> web.Response:
    return web.Response(
        body=_encode(problem.body),
        status=problem.status,
        headers=problem.headers,
        content_type="application/problem+json",
    )

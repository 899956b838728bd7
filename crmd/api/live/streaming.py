"""Routes of live streams."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web  # noqa: TC002 - route handlers are read at run time

from crmd.api.app import AUTHENTICATOR
from crmd.api.live.serving import serve
from crmd.api.live.stream import Wish
from crmd.api.problem import Problem
from crmd.api.reading import uuid_in
from crmd.api.route import Call, Route, routed

if TYPE_CHECKING:
    from uuid import UUID


@routed("GET", "/api/workspaces/{workspaceId}/jobs/stream", scope="read", tag="live",
        media_type="text/event-stream")  # fmt: skip
async def stream_jobs(call: Call) -> web.StreamResponse:
    """Watch the jobs of the workspace: server-sent events.

    First a `snapshot` of all unfinished jobs, or, with a `Last-Event-ID` of the last ten minutes, what has changed
    since; then a `job` at each change, `gone` when one was erased, and `bye` before the end.
    """
    return await _watch(call, None)


@routed("GET", "/api/workspaces/{workspaceId}/jobs/{jobId}/stream", scope="read", tag="live",
        media_type="text/event-stream")  # fmt: skip
async def stream_job(call: Call) -> web.StreamResponse:
    """Watch one job: server-sent events, as those of its workspace."""
    return await _watch(call, uuid_in(call.path["jobId"], "job"))


@routed("GET", "/api/stream", scope="read", tag="live", media_type="text/event-stream")
async def stream_all_jobs(call: Call) -> web.StreamResponse:
    """Watch the jobs of all workspaces and of none: server-sent events, as those of a workspace."""
    return await _watch(call, None)


async def _watch(call: Call, job_id: UUID | None) -> web.StreamResponse:
    hub = call.state.hub
    if hub is None:
        raise Problem(503, "unavailable", "No streams are served now.", headers={"Retry-After": "2"})
    wish = Wish(
        identity=call.identity,
        workspace_id=call.workspace_id,
        job_id=job_id,
        is_allowed=partial(_is_allowed, call),
        is_lost=partial(_is_lost, call.request),
    )
    settings = call.state.settings()
    return await serve(hub, wish, call.request, settings.streams_per_key_max, settings.streams_max)


async def _is_allowed(call: Call) -> bool:
    request = call.request
    try:
        identity = await request.app[AUTHENTICATOR].identify(request.headers.get("Authorization"), request.remote or "")
        identity.need("read")
    except Problem as problem:
        return problem.status not in {401, 403}
    return identity.workspace_id in {None, call.workspace_id}


def _is_lost(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


ROUTES: tuple[Route, ...] = (stream_jobs, stream_job, stream_all_jobs)

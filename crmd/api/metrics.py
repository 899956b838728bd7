"""`/metrics`, as Prometheus scrapes it."""

from __future__ import annotations

import asyncio
import ipaddress
from importlib import import_module
from typing import TYPE_CHECKING

from aiohttp import web

import crmd
from crmd.api.route import Call, Route, routed
from crmd.metrics.snapshot import taken

if TYPE_CHECKING:
    from crmd.api.state import State


def needs_no_key(state: State, request: web.Request) -> bool:
    """As `api.metrics` says; with a proxy in front everybody seems to come from this machine."""
    settings = state.settings()
    if settings.metrics == "open":
        return True
    return settings.metrics == "loopback" and not settings.behind_proxy and _is_loopback(request.remote or "")


@routed("GET", "/metrics", scope="read", tag="about", media_type="text/plain", is_open=needs_no_key)
async def metrics(call: Call) -> web.Response:
    """Tell Prometheus how the daemon and the fleet stand.

    From this machine no key is needed, unless `api.metrics` says otherwise. Figures of the fleet are the same from each
    daemon: take their maximum over daemons, not their sum.
    """
    state = call.state
    figures = await state.fleet.current(state.services.patience)
    streams = 0 if state.hub is None else len(state.hub.audience)
    snapshot = taken(state.engine, state.services, state.pool, figures, streams=streams, version=crmd.__version__)
    # Its library takes a while and 2 MiB, which a daemon that nobody scrapes need not have.
    exposition = await asyncio.to_thread(import_module, "crmd.metrics.exposition")
    text, media_type = exposition.exposed(snapshot, call.request.headers.get("Accept", ""))
    return web.Response(body=text, headers={"Content-Type": media_type})


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


ROUTES: tuple[Route, ...] = (metrics,)

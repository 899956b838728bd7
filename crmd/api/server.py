"""Listens for the API, as long as the daemon runs."""

from __future__ import annotations

import contextlib
import errno
import logging
import ssl
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

import crmd
from crmd.api import (
    about,
    connections,
    events,
    job_bulk,
    job_details,
    jobs,
    metrics,
    schedules,
    templates,
    trail,
    webhook_deliveries,
    webhooks,
)
from crmd.api.address import address_of
from crmd.api.app import application
from crmd.api.counting import counting_the_rest
from crmd.api.live import streaming
from crmd.api.live.serving import telling
from crmd.api.openapi import document
from crmd.api.operators import routes as operators
from crmd.api.state import State
from crmd.api.wire_log import WIRE_LOG
from crmd.errors import ConfigError
from crmd.store.pools import open_one_pool
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from crmd.api.route import Route
    from crmd.config.api_settings import Api
    from crmd.engine.engine import Engine
    from crmd.engine.services import Services
    from crmd.http.client import GuardedClient

_LOG = logging.getLogger("crmd.api")
_SQL = load_queries("crmd.store")
CONNECTIONS = 8
SHUTDOWN_SECONDS = 2.0
HEADER_BYTES_MAX = 16 * 1024
# A connection without a whole request for so long is closed, one that sends its header byte by byte, too.
KEEPALIVE_SECONDS = 75.0
# The rest of a body that was answered already is read away for so long, so that its sender sees the answer.
LINGER_SECONDS = 5.0

ROUTES: tuple[Route, ...] = (
    *about.ROUTES,
    *jobs.ROUTES,
    *operators.ROUTES,
    *metrics.ROUTES,
    *job_details.ROUTES,
    *job_bulk.ROUTES,
    *templates.ROUTES,
    *schedules.ROUTES,
    *connections.ROUTES,
    *events.ROUTES,
    *trail.ROUTES,
    *streaming.ROUTES,
    *webhooks.ROUTES,
    *webhook_deliveries.ROUTES,
)
"""Every route of the API."""


@contextlib.asynccontextmanager
async def serving(
    services: Services,
    engine: Engine,
    http: GuardedClient,
    settings: Callable[[], Api],
    tick_days: Callable[[], int] = lambda: 30,
) -> AsyncIterator[State | None]:
    """Listen within the block; None: there is no API.

    Args:
        services: Of the daemon.
        engine: Of the daemon.
        http: For addresses that the operator gave.
        settings: As they are now.
        tick_days: How long it is known which ticks of schedules have fired.

    Raises:
        ConfigError: It cannot listen there.
    """
    now = settings()
    address = address_of(now)
    if address is None:
        yield None
        return
    host, port = address
    async with open_one_pool(services.pools.server, "crmd api", CONNECTIONS) as pool:
        state = State(services=services, engine=engine, http=http, settings=settings, pool=pool, tick_days=tick_days)
        state.has_role = await pool.fetchval(_SQL.api_role)
        state.described = msgspec.json.encode(document(ROUTES, crmd.__version__))
        runner = web.AppRunner(
            application(state, ROUTES),
            access_log=WIRE_LOG,
            access_log_class=counting_the_rest(services.tally),
            logger=WIRE_LOG,
            handle_signals=False,
            shutdown_timeout=SHUTDOWN_SECONDS,
            max_field_size=HEADER_BYTES_MAX,
            max_line_size=HEADER_BYTES_MAX,
            keepalive_timeout=KEEPALIVE_SECONDS,
            lingering_time=LINGER_SECONDS,
            auto_decompress=False,  # compressed bodies are refused unread
        )
        await runner.setup()
        try:
            async with telling(state):
                yield state if await _listen(runner, host, port, now) else None
        finally:
            await runner.cleanup()
            await state.fleet.close()


async def _listen(runner: web.AppRunner, host: str, port: int, settings: Api) -> bool:
    context = _tls(settings)
    try:
        await web.TCPSite(runner, host, port, ssl_context=context).start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE and settings == type(settings)():
            _LOG.warning(
                "nothing is served over HTTP: %s is taken, perhaps by another daemon; set api.listen", settings.listen
            )
            return False
        raise ConfigError(f"api.listen = {settings.listen!r} cannot be listened at: {error.strerror}.") from error
    _LOG.info("listening at %s://%s", "http" if context is None else "https", settings.listen)
    return True


def _tls(settings: Api) -> ssl.SSLContext | None:
    if settings.tls_cert_path is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.tls_cert_path, settings.tls_key_path)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"api.tls_cert_path cannot be used: {type(error).__name__}.") from error
    return context

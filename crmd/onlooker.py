"""What watches a daemon from the side: traces of its jobs, and the look for faults of the fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.alerts.watching import Watching
from crmd.engine.forever import forever
from crmd.tracing.setup import closed, tracer_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from crmd.config.loading import Config
    from crmd.engine.services import Services
    from crmd.http.client import GuardedClient


async def look_on(services: Services, http: GuardedClient, config: Callable[[], Config]) -> None:
    """Trace jobs and look for faults until cancelled.

    Args:
        services: Of the daemon.
        http: For addresses that the operator gave.
        config: As it is now.

    Raises:
        ConfigError: Traces are wanted and cannot be had.
    """
    tracer = services.tracer = tracer_of(config().tracing)
    watching = Watching(services, http, lambda: config().alerts)
    try:
        await forever("watching the fleet", watching.look_once, lambda _: None)
    finally:
        if tracer is not None:
            await closed(tracer)

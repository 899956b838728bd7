"""What goes on beside a daemon's work: the look for faults of the fleet, and in the end the last of the traces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.alerts.watching import Watching
from crmd.engine.forever import forever
from crmd.tracing.setup import closed

if TYPE_CHECKING:
    from collections.abc import Callable

    from crmd.config.loading import Config
    from crmd.engine.services import Services
    from crmd.http.client import GuardedClient


async def look_on(services: Services, http: GuardedClient, config: Callable[[], Config]) -> None:
    """Look for faults until cancelled, then let what was traced be sent.

    Args:
        services: Of the daemon.
        http: For addresses that the operator gave.
        config: As it is now.
    """
    watching = Watching(services, http, lambda: config().alerts)
    try:
        await forever("watching the fleet", watching.look_once, lambda _: None)
    finally:
        if services.tracer is not None:
            await closed(services.tracer)

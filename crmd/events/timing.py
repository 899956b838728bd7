"""Counts how long the handlers take that hear of events inside the emitting transaction, and how often they raise."""

from __future__ import annotations

from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any

from crmd.clock import boot_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crmd.event_handler import SyncHandler
    from crmd.tally import Tally


def timed(handlers: Iterable[SyncHandler], tally: Tally) -> tuple[SyncHandler, ...]:
    """The same handlers, counted by plugin and name."""
    return tuple(_timed(handler, tally) for handler in handlers)


def _timed(handler: SyncHandler, tally: Tally) -> SyncHandler:
    function = handler.function
    name = f"{handler.plugin}.{function.__name__}"

    @wraps(function)
    async def counted(*args: Any) -> None:  # noqa: ANN401 - as the function takes them
        began_at = boot_seconds()
        try:
            await function(*args)
        except BaseException:
            tally.handler_errors[name] += 1
            raise
        finally:
            tally.handler_seconds[name].add(boot_seconds() - began_at)

    return replace(handler, function=counted)

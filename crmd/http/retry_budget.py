"""The budget of repeats: while a provider fails, all daemons together send it little more than the first tries."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from crmd.clock import boot_seconds
from crmd.store import gates, limits
from crmd.store.limits import REPEAT_SHARE, REPEAT_WINDOW_SECONDS

if TYPE_CHECKING:
    from crmd.context import Statements

USED_UP = f"repeats are more than {REPEAT_SHARE:.0%} of the requests"


class RetryBudget:
    """Counts this daemon's first tries by provider, and asks for the whole fleet before anything is repeated.

    First tries cost no statement: they are told with the next question. A daemon that never asks is not counted, which
    makes the budget smaller and never larger.
    """

    def __init__(self, database: Statements) -> None:
        self._database = database
        self._tries: dict[str, tuple[float, float]] = {}  # how many, fading, as of an instant

    def tried(self, provider: str) -> None:
        """A request was sent for the first time."""
        now = boot_seconds()
        self._tries[provider] = (self._counted(provider, now) + 1, now)

    async def repeat_seconds(self, provider: str) -> float:
        """0 when a request may be sent again, else for how long the budget is used up; its gate shows it."""
        tries = self._counted(provider, boot_seconds())
        self._tries.pop(provider, None)
        seconds = await limits.may_repeat(self._database, provider, tries)
        if seconds > 0:
            await gates.close(self._database, repeats_key(provider), seconds=seconds, reason=USED_UP)
        return seconds

    def _counted(self, provider: str, now: float) -> float:
        count, at = self._tries.get(provider, (0.0, now))
        return count * math.exp((at - now) / REPEAT_WINDOW_SECONDS)


def repeats_key(provider: str) -> str:
    """The gate that shows that a provider's budget is used up."""
    return f"repeats/{provider}"

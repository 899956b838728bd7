"""Waiting for a shared rate: short waits inside the job, long ones give the slot back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from crmd.errors import GateClosed, UsageError
from crmd.store import gates, limits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from crmd.context import Statements


@dataclass(frozen=True, slots=True)
class Rate:
    """So many units per period, over all daemons.

    Args:
        units: Granted in each period.
        per_seconds: Length of the period.
        burst: Units that may be taken at once; None means `units`.
    """

    units: float
    per_seconds: float = 1.0
    burst: float | None = None

    def __post_init__(self) -> None:
        if not (self.units > 0 and self.per_seconds > 0 and (self.burst is None or self.burst > 0)):
            raise UsageError("A rate grants more than 0 units in more than 0 seconds.")

    @property
    def units_per_second(self) -> float:
        """What flows in over time."""
        return self.units / self.per_seconds

    @property
    def burst_units(self) -> float:
        """What a full bucket holds."""
        return self.units if self.burst is None else self.burst


class Limiter:
    """Takes units and passes gates on behalf of jobs.

    Args:
        database: Pool of the engine.
        wait_seconds_max: A job waits this long in all for one question; beyond it `GateClosed` is raised.
        sleep: Replaced by tests.
    """

    def __init__(
        self,
        database: Statements,
        *,
        wait_seconds_max: float = 5.0,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._database = database
        self._wait_seconds_max = wait_seconds_max
        self._sleep = sleep

    async def acquire(self, name: str, rate: Rate, cost: float = 1.0) -> None:
        """Take `cost` units of the bucket `name`, waiting for them when the wait is short.

        Raises:
            GateClosed: The units come later than a job should wait for them.
        """
        await self._until_free(lambda: self._take(None, name, rate, cost))

    async def pass_gate(self, key: str) -> None:
        """Go on when the gate is open, waiting for it when the wait is short.

        Raises:
            GateClosed: It stays closed longer than a job should wait.
        """
        await self._until_free(lambda: gates.closed(self._database, key))

    async def admit(self, key: str, name: str, rate: Rate, cost: float = 1.0) -> None:
        """Pass the gate `key` and take `cost` units of the bucket `name`, in one question to the database.

        Raises:
            GateClosed: Either takes longer than a job should wait.
        """
        await self._until_free(lambda: self._take(key, name, rate, cost))

    async def _until_free(self, ask: Callable[[], Awaitable[gates.Closed | None]]) -> None:
        """One budget of waiting, however often the answer is no."""
        budget_seconds = self._wait_seconds_max
        while (closed := await ask()) is not None:
            if closed.wait_seconds is None or closed.wait_seconds > budget_seconds:
                raise GateClosed(closed.key, after_seconds=closed.wait_seconds, reason=closed.reason)
            budget_seconds -= closed.wait_seconds
            await self._sleep(closed.wait_seconds)

    async def _take(self, key: str | None, name: str, rate: Rate, cost: float) -> gates.Closed | None:
        """None when the units were taken, else what stands in the way; a dry bucket reads like a gate of its own."""
        if cost <= 0:
            return None if key is None else await gates.closed(self._database, key)
        taken = await limits.take_behind(
            self._database, key, name, cost, rate_per_second=rate.units_per_second, burst=rate.burst_units
        )
        if isinstance(taken, gates.Closed):
            return taken
        return gates.Closed(f"limit/{name}", taken, f"the rate of {name} is used up") if taken > 0 else None

"""Waiting for a shared rate: short waits inside the job, long ones give the slot back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from crmd.clock import boot_seconds
from crmd.errors import GateClosed, UsageError
from crmd.http.gate import SharedGate
from crmd.http.retry_budget import RetryBudget
from crmd.store import gates, limits
from crmd.store.gates import Closed, Passed
from crmd.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from crmd.context import Statements

AHEAD_SECONDS = 0.1
# Below so many units ahead a batch saves nothing; and a burst must be several times what the batches take from it.
AHEAD_UNITS_MIN = 5.0
AHEAD_SHARE_MAX = 0.2


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

    @property
    def ahead_units(self) -> float:
        """What flows in while units that were taken ahead may be used."""
        return self.units_per_second * AHEAD_SECONDS

    @property
    def is_fast(self) -> bool:
        """Whether taking ahead is worth it; the same for every taker, as the bound needs it."""
        return AHEAD_UNITS_MIN <= self.ahead_units <= self.burst_units * AHEAD_SHARE_MAX


class Limiter:
    """Takes units and passes gates on behalf of jobs.

    Where a rate is high, units are taken a little ahead, so that not every request asks the database: what was taken
    ahead is used within `AHEAD_SECONDS` or lost, and the burst is less by what flows in during that time. So in every
    stretch of time all daemons together stay inside the burst and the rate, whoever held units at its beginning.

    Args:
        database: Pool of the engine.
        wait_seconds_max: A job waits this long in all for one question; beyond it `GateClosed` is raised.
        sleep: Replaced by tests.
        boot: The clock by which units that were taken ahead are lost.
        tally: Waits are counted there.
    """

    def __init__(
        self,
        database: Statements,
        *,
        wait_seconds_max: float = 5.0,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
        boot: Callable[[], float] = boot_seconds,
        tally: Tally | None = None,
    ) -> None:
        self._database = database
        self._wait_seconds_max = wait_seconds_max
        self._sleep = sleep
        self._boot = boot
        self._budget = RetryBudget(database)
        self._stock: dict[str, Stock] = {}
        self.tally = Tally() if tally is None else tally

    async def acquire(self, name: str, rate: Rate, cost: float = 1.0) -> SharedGate:
        """Take `cost` units of the bucket `name`, waiting for them when the wait is short; gives the gate it has.

        Raises:
            GateClosed: The units come later than a job should wait for them, or the gate is closed for longer.
        """
        return await self.admit(f"limit/{name}", name, rate, cost, provider=name)

    async def pass_gate(
        self, key: str, *, provider: str = "", on_close: Callable[[float, str], Awaitable[None]] | None = None
    ) -> SharedGate:
        """Go on when the gate is open, waiting for it when the wait is short.

        Raises:
            GateClosed: It stays closed longer than a job should wait.
        """
        passed = await self._until_free(lambda: gates.passed(self._database, key))
        return SharedGate(
            database=self._database, key=key, provider=provider or key, budget=self._budget, passed=passed,
            on_close=on_close,
        )  # fmt: skip

    async def admit(
        self,
        key: str,
        name: str,
        rate: Rate,
        cost: float = 1.0,
        *,
        provider: str = "",
        on_close: Callable[[float, str], Awaitable[None]] | None = None,
    ) -> SharedGate:
        """Pass the gate `key` and take `cost` units of the bucket `name`, in one question to the database.

        Raises:
            GateClosed: Either takes longer than a job should wait.
        """
        passed = await self._until_free(lambda: self._take(key, name, rate, cost))
        return SharedGate(
            database=self._database, key=key, provider=provider or key, budget=self._budget, passed=passed,
            bucket=(name, rate), on_close=on_close, on_slowed=self._forget,
        )  # fmt: skip

    def _forget(self, name: str) -> None:
        """What was taken ahead is not used after a refusal."""
        self._stock.pop(name, None)

    async def _until_free(self, ask: Callable[[], Awaitable[Passed | Closed]]) -> Passed:
        """One budget of waiting, however often the answer is no."""
        budget_seconds = self._wait_seconds_max
        while isinstance(answer := await ask(), Closed):
            kind = answer.key.partition("/")[0]
            if answer.wait_seconds is None or answer.wait_seconds > budget_seconds:
                self.tally.limit_waits[kind, "parked"] += 1
                raise GateClosed(answer.key, after_seconds=answer.wait_seconds, reason=answer.reason)
            self.tally.limit_waits[kind, "waited"] += 1
            self.tally.limit_wait_seconds.add(answer.wait_seconds)
            budget_seconds -= answer.wait_seconds
            await self._sleep(answer.wait_seconds)
        return answer

    async def _take(self, key: str, name: str, rate: Rate, cost: float) -> Passed | Closed:
        """How the gate was passed when the units were taken, else what stands in the way; a dry bucket is one, too."""
        if cost <= 0:
            return await gates.passed(self._database, key)
        now = self._boot()
        stock = self._stock.get(name)
        if stock is not None and stock.is_enough(cost, now):
            stock.units -= cost
            return Passed()
        taken = await limits.take_behind(
            self._database, key, name, cost,
            rate_per_second=rate.units_per_second,
            burst=rate.burst_units - (rate.ahead_units if rate.is_fast else 0.0),
            ahead=rate.ahead_units if rate.is_fast and stock is not None and stock.is_recent(now) else 0.0,
        )  # fmt: skip
        if isinstance(taken, Closed):
            self._forget(name)
            return taken
        if taken.wait_seconds > 0:
            return Closed(f"limit/{name}", taken.wait_seconds, f"the rate of {name} is used up")
        # Counted from before the question, so that no unit is used later than that after it was taken.
        self._stock[name] = Stock(0.0 if taken.passed.is_troubled else taken.ahead, now)
        return taken.passed


@dataclass(slots=True)
class Stock:
    """Units of one bucket that were taken ahead.

    Args:
        units: Not used yet.
        taken_at: Just before they were asked for, in boot time.
    """

    units: float
    taken_at: float

    def is_enough(self, cost: float, now: float) -> bool:
        """Whether they may still be used, and suffice."""
        return self.units >= cost and now - self.taken_at < AHEAD_SECONDS

    def is_recent(self, now: float) -> bool:
        """Whether somebody asked not long ago, so that units taken ahead are likely to be used."""
        return now - self.taken_at < 2 * AHEAD_SECONDS

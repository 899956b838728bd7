"""The gate that a request went through: where a pause, a failure and an answer are told to all daemons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from crmd.http.retry_budget import USED_UP, repeats_key
from crmd.store import gates, limits
from crmd.store.gates import Closed, Passed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from crmd.context import Statements
    from crmd.http.limiter import Rate
    from crmd.http.retry_budget import RetryBudget


class Gate(Protocol):
    """A key that a provider's pause holds for. Requests with one key also share the daemon's in-flight cap."""

    @property
    def key(self) -> str:
        """As in `crmd.gate`."""

    async def close(self, seconds: float, reason: str) -> None:
        """The provider asked for a pause: nobody passes for so long, and what refills for it does so more slowly."""

    async def failed(self, reason: str, chance: float) -> None:
        """A call was given up; several in a row close the gate."""

    async def answered(self) -> None:
        """A call was answered."""

    def tried(self) -> None:
        """A request is sent for the first time."""

    async def repeatable(self) -> Closed | None:
        """Whether a request may be sent again: None, or what stands in the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedGate:
    """A gate in the database, passed by one request or job.

    Args:
        database: The engine's.
        key: Of the gate.
        provider: Whose budget of repeats is drawn on.
        budget: This daemon's count of first tries.
        passed: How it was passed.
        bucket: Name and rate of what was taken on passing, to be slowed with a pause.
        on_close: Closes it in place of the plain way, where more is to be written than the gate.
        on_slowed: Told the name of a bucket that was slowed.
    """

    database: Statements
    key: str
    provider: str
    budget: RetryBudget
    passed: Passed
    bucket: tuple[str, Rate] | None = None
    on_close: Callable[[float, str], Awaitable[None]] | None = None
    on_slowed: Callable[[str], None] | None = None

    async def close(self, seconds: float, reason: str) -> None:
        """See `Gate`."""
        if self.on_close is not None:
            await self.on_close(seconds, reason)
        else:
            await gates.close(self.database, self.key, seconds=seconds, reason=reason)
        if self.bucket is None:
            return
        name, rate = self.bucket
        if self.on_slowed is not None:
            self.on_slowed(name)
        await limits.slow(
            self.database, name, rate_per_second=rate.units_per_second, burst=rate.burst_units, reason=reason
        )

    async def failed(self, reason: str, chance: float) -> None:
        """See `Gate`."""
        await gates.failed(self.database, self.key, reason=reason, chance=chance, is_trying=self.passed.is_trying)

    async def answered(self) -> None:
        """See `Gate`. Where nothing was wrong there is nothing to tell, so that a healthy call costs no statement."""
        if self.passed.is_troubled or self.passed.is_trying:
            await gates.answered(self.database, self.key, is_trying=self.passed.is_trying)

    def tried(self) -> None:
        """See `Gate`."""
        self.budget.tried(self.provider)

    async def repeatable(self) -> Closed | None:
        """See `Gate`."""
        seconds = await self.budget.repeat_seconds(self.provider)
        return Closed(repeats_key(self.provider), seconds, USED_UP) if seconds > 0 else None

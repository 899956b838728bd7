"""Shared token buckets, and the budget of repeats at each provider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crmd.store.gates import FAILURES_MAX, TRY_SECONDS, Closed, Passed
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from crmd.context import Statements

_SQL = load_queries("crmd.store")
# Refusals that come so close together were earned together, and slow a bucket once.
MOMENT_SECONDS = 2.0
REPEAT_SHARE = 0.1
REPEATS_FREE_PER_SECOND = 1.0
REPEAT_WINDOW_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Taken:
    """What a question to a bucket was answered.

    Args:
        wait_seconds: 0 when the units were taken, else how long to wait before asking again.
        ahead: Units that were taken beside the cost.
        passed: How the gate was passed.
    """

    wait_seconds: float
    ahead: float
    passed: Passed


async def take(database: Statements, name: str, cost: float, *, rate_per_second: float, burst: float) -> float:
    """Take `cost` units from the bucket `name` over all daemons.

    Returns:
        0 when they were taken, else how many seconds to wait before asking again (nothing was written then).
    """
    taken = await take_behind(database, None, name, cost, rate_per_second=rate_per_second, burst=burst)
    if isinstance(taken, Closed):
        raise TypeError("a take without a gate met a gate")
    return taken.wait_seconds


async def take_behind(
    database: Statements,
    gate_key: str | None,
    name: str,
    cost: float,
    *,
    rate_per_second: float,
    burst: float,
    ahead: float = 0.0,
) -> Taken | Closed:
    """`take`, unless the gate is closed: then nothing is taken, and the closed gate is returned.

    Of `ahead` further units as many are taken as there are.
    """
    row = await database.fetchrow(
        _SQL.limit_take, name, float(cost), float(rate_per_second), float(burst), gate_key, float(ahead),
        FAILURES_MAX, TRY_SECONDS,
    )  # fmt: skip
    if gate_key is not None and row["reason"] is not None:
        return Closed(gate_key, row["gate_seconds"], row["reason"])
    passed = Passed(is_troubled=row["failures"] > 0, is_trying=row["is_trying"])
    return Taken(float(row["wait_seconds"]), max(float(row["granted"]) - cost, 0.0), passed)


async def slow(database: Statements, name: str, *, rate_per_second: float, burst: float, reason: str) -> float | None:
    """The provider refused: empty the bucket and halve its pace; answers the pace, None when that was done just now."""
    pace: float | None = await database.fetchval(
        _SQL.limit_slow, name, float(rate_per_second), float(burst), reason, MOMENT_SECONDS
    )
    return pace


async def list_rates(database: Statements) -> list[Any]:
    """The buckets as they stand, by name; the columns are those of limit_list.sql."""
    return await database.fetch(_SQL.limit_list)


async def may_repeat(database: Statements, provider: str, tries: float) -> float:
    """Whether a request to a provider may be sent again: 0, or how many seconds until it might.

    Args:
        database: The engine's.
        provider: Whose budget.
        tries: First tries since this daemon asked last, those of long ago counted for less.
    """
    row = await database.fetchrow(
        _SQL.retry_take, provider, tries, REPEAT_SHARE, REPEATS_FREE_PER_SECOND, REPEAT_WINDOW_SECONDS
    )
    return 0.0 if row["is_granted"] else float(row["wait_seconds"])


async def sweep(database: Statements, *, older_than_seconds: float = 86_400.0) -> None:
    """Forget buckets that have been full for that long."""
    await database.execute(_SQL.limit_sweep, older_than_seconds)

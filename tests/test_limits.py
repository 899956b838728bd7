from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from crmd.errors import GateClosed, UsageError
from crmd.http.limiter import Limiter, Rate
from crmd.store import limits

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

CLOCK_TABLE = """
CREATE TABLE crmd.test_clock (at timestamptz NOT NULL);
INSERT INTO crmd.test_clock VALUES ('2026-01-01 00:00:00+00');
CREATE OR REPLACE FUNCTION crmd.clock() RETURNS timestamptz LANGUAGE sql VOLATILE
AS $$ SELECT at FROM crmd.test_clock $$;
"""


class Hands:
    """The hands of a clock that stands still until a test moves it."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.slept: list[float] = []

    async def move(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        # A sleep never ends early; the microsecond stands for that, since Postgres rounds.
        await self.pool.execute("UPDATE crmd.test_clock SET at = at + make_interval(secs => $1)", seconds + 0.000_001)


@pytest.fixture
async def clock(database: Pool) -> Hands:
    """The database's clock, stopped."""
    await database.execute(CLOCK_TABLE)
    return Hands(database)


async def taken(pool: Pool, cost: float = 1, *, rate: float = 2, burst: float = 10) -> float:
    """Seconds to wait, or 0 when the units were taken."""
    return await limits.take(pool, "gmail/c/a@x", cost, rate_per_second=rate, burst=burst)


async def test_a_burst_passes_and_then_the_rate_holds(database: Pool, clock: Hands) -> None:
    """A full bucket gives its burst at once; then each unit takes its time."""
    assert [await taken(database) for _ in range(10)] == [0] * 10
    assert await taken(database) == pytest.approx(0.5)
    await clock.move(0.5)
    assert await taken(database) == 0
    assert await taken(database) == pytest.approx(0.5, abs=0.001)


async def test_costs_weigh(database: Pool, clock: Hands) -> None:
    """A request of cost 8 leaves room for 2 more, and says how long a dearer one must wait."""
    assert await taken(database, 8) == 0
    assert await taken(database, 4) == pytest.approx(1.0)
    assert await taken(database, 2) == 0
    await clock.move(2)
    assert await taken(database, 4) == 0


async def test_a_pause_never_saves_up_more_than_the_burst(database: Pool, clock: Hands) -> None:
    """After a quiet hour the bucket is full, not fuller."""
    await taken(database, 10)
    await clock.move(3600)
    assert await taken(database, 10) == 0
    assert await taken(database) > 0


async def test_a_cost_above_the_burst_waits_for_a_full_bucket(database: Pool, clock: Hands) -> None:
    """A request dearer than the burst is not refused for ever."""
    assert await taken(database, 1) == 0
    assert await taken(database, 25) == pytest.approx(0.5)
    await clock.move(0.5)
    assert await taken(database, 25) == 0


async def test_a_refused_take_writes_nothing(database: Pool, clock: Hands) -> None:
    """Asking a dry bucket leaves its row untouched, lock included."""
    await taken(database, 10)
    before = await database.fetchrow("SELECT ctid, xmin, xmax FROM crmd.bucket")
    for _ in range(5):
        assert await taken(database) > 0
    assert await database.fetchrow("SELECT ctid, xmin, xmax FROM crmd.bucket") == before
    assert not clock.slept


async def test_takers_at_the_same_instant_share_the_bucket(database: Pool, clock: Hands) -> None:
    """Forty takers at once get the burst and no unit more."""
    granted = []

    async def take() -> None:
        while (wait := await taken(database)) <= 0.001:
            if wait == 0:
                granted.append(1)
                return

    async with anyio.create_task_group() as tasks:
        for _ in range(40):
            tasks.start_soon(take)
    assert sum(granted) == 10
    assert not clock.slept


async def test_names_do_not_share(database: Pool, clock: Hands) -> None:
    """Another account has a bucket of its own."""
    await taken(database, 10)
    assert await limits.take(database, "gmail/c/b@x", 10, rate_per_second=2, burst=10) == 0
    assert not clock.slept


async def test_a_short_wait_is_waited_inside_the_job(database: Pool, clock: Hands) -> None:
    """A job sleeps until its units are there, when that is soon."""
    limiter = Limiter(database, wait_seconds_max=5, sleep=clock.move)
    rate = Rate(120, per_seconds=60, burst=4)
    for _ in range(3):
        await limiter.acquire("x", rate, 4)
    assert clock.slept == pytest.approx([2, 2])


async def test_a_long_wait_gives_the_slot_back(database: Pool, clock: Hands) -> None:
    """A job does not sit out a long wait: it is told when to come back."""
    limiter = Limiter(database, wait_seconds_max=1, sleep=clock.move)
    rate = Rate(1, burst=10)
    await limiter.acquire("x", rate, 10)
    with pytest.raises(GateClosed) as caught:
        await limiter.acquire("x", rate, 10)
    assert caught.value.key == "limit/x"
    assert caught.value.after_seconds == pytest.approx(10)
    assert not clock.slept


async def test_full_buckets_are_swept(database: Pool, clock: Hands) -> None:
    """Buckets that have been full for a day leave no row behind."""
    await taken(database)
    await limits.sweep(database)
    assert await database.fetchval("SELECT count(*) FROM crmd.bucket") == 1
    await clock.move(90_000)
    await limits.sweep(database)
    assert await database.fetchval("SELECT count(*) FROM crmd.bucket") == 0


@pytest.mark.parametrize(("units", "per_seconds", "burst"), [(0, 1, None), (-1, 1, None), (1, 0, None), (1, 1, 0)])
def test_a_rate_that_grants_nothing_is_refused(units: float, per_seconds: float, burst: float | None) -> None:
    """A rate by which every job would wait for ever is a mistake in the settings."""
    with pytest.raises(UsageError):
        Rate(units, per_seconds, burst)

"""Rates, breakers and repeats over all daemons: what many takers do at once stays inside, and one tries for all."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any
from uuid import UUID

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmd.errors import GateClosed, RetryJob
from crmd.http import Gate, GuardedClient, HttpPolicy, Response
from crmd.http.bound import BoundClient
from crmd.http.limiter import AHEAD_SECONDS, Limiter, Rate
from crmd.http.retry_budget import RetryBudget, repeats_key
from crmd.store import gates, limits
from crmd.store.gates import FAILURES_MAX, TRY_SECONDS, Closed, Passed

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

CLOCK_TABLE = """
CREATE TABLE IF NOT EXISTS crmd.test_clock (at timestamptz NOT NULL);
DELETE FROM crmd.test_clock;
INSERT INTO crmd.test_clock VALUES ('2026-01-01 00:00:00+00');
CREATE OR REPLACE FUNCTION crmd.clock() RETURNS timestamptz LANGUAGE sql VOLATILE
AS $$ SELECT at FROM crmd.test_clock $$;
"""
WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""
RATE = Rate(600, per_seconds=60, burst=100)


class Hands:
    """The one clock of a test: the database's, and that of each daemon."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.now = 0.0

    async def move(self, seconds: float) -> None:
        """Let time pass; the microsecond stands for a sleep that never ends early."""
        self.now += seconds + 0.000_001
        await self.pool.execute(
            "UPDATE crmd.test_clock SET at = '2026-01-01 00:00:00+00'::timestamptz + make_interval(secs => $1)",
            self.now,
        )

    def daemon(self) -> Limiter:
        """The limiter of one daemon."""
        return Limiter(self.pool, sleep=self.move, boot=lambda: self.now)


@pytest.fixture
async def clock(database: Pool) -> Hands:
    """A clock that stands still until a test moves it."""
    await database.execute(CLOCK_TABLE)
    return Hands(database)


async def _slow(pool: Pool, rate: Rate = RATE) -> float | None:
    return await limits.slow(
        pool, "x", rate_per_second=rate.units_per_second, burst=rate.burst_units, reason="the provider's rate limit"
    )


async def _taken_in(clock: Hands, seconds: float, rate: Rate = RATE) -> int:
    """Units that one daemon gets while so much time passes."""
    taken = 0
    end = clock.now + seconds
    while clock.now < end:
        if await limits.take(clock.pool, "x", 1, rate_per_second=rate.units_per_second, burst=rate.burst_units) == 0:
            taken += 1
        else:
            await clock.move(0.05)
    return taken


async def test_a_refusal_slows_the_bucket_for_all(database: Pool, clock: Hands) -> None:
    """After a refusal the bucket is empty and refills half as fast; minute by minute it is faster again."""
    assert await _slow(database) == 0.5
    assert await limits.take(database, "x", 1, rate_per_second=10, burst=100) > 0
    assert await _taken_in(clock, 10) == pytest.approx(50, abs=3)
    [row] = await limits.list_rates(database)
    assert row["pace"] == pytest.approx(0.5 + 10 / 600, abs=0.001)
    assert row["units_per_second_now"] == pytest.approx(10 * row["pace"])
    assert row["slowed_for"] == "the provider's rate limit"
    assert row["units_left"] < 2
    await clock.move(300)
    [row] = await limits.list_rates(database)
    assert (row["pace"], row["slowed_at"], row["units_left"]) == (1, None, 100)


async def test_refusals_of_one_moment_count_once(database: Pool, clock: Hands) -> None:
    """Ten requests in flight that are refused together halve the pace once; further refusals go down to a floor."""
    assert [await _slow(database) for _ in range(10)] == [0.5] + [None] * 9
    paces = []
    for _ in range(8):
        await clock.move(3)
        paces.append(await _slow(database))
    assert all(pace is not None for pace in paces)
    assert paces == sorted(paces, key=lambda pace: -(pace or 0))
    assert paces[-1] == 0.05


async def test_a_pause_of_a_limit_holds_for_every_daemon(database: Pool, clock: Hands) -> None:
    """What `ctx.limit` gives closes the limit on all daemons, whatever their buckets hold."""
    one, other = clock.daemon(), clock.daemon()
    gate: Gate = await one.acquire("x", RATE, 1)
    await other.acquire("x", RATE, 1)
    await gate.close(60, "429")
    for limiter in (one, other):
        with pytest.raises(GateClosed) as caught:
            await limiter.acquire("x", RATE, 1)
        assert (caught.value.key, caught.value.reason) == ("limit/x", "429")
    assert [row["pace"] for row in await limits.list_rates(database)] == [0.5]


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10_000),
    daemons=st.integers(1, 4),
    rate=st.sampled_from([Rate(20), Rate(100), Rate(250, burst=120), Rate(60, per_seconds=60, burst=60), Rate(1000)]),
)
async def test_all_daemons_together_stay_inside(database: Pool, seed: int, daemons: int, rate: Rate) -> None:
    """In every stretch of time what many daemons use, ahead or not, is at most the burst and what flows in."""
    await database.execute(CLOCK_TABLE)
    await database.execute("TRUNCATE crmd.bucket, crmd.gate")
    clock, chance = Hands(database), random.Random(seed)  # noqa: S311 - a repeatable plan, not a secret
    fleet = [clock.daemon() for _ in range(daemons)]
    for limiter in fleet:
        limiter._wait_seconds_max = 0.0
    used = await _used_by(fleet, clock, chance, rate)
    for first in range(len(used)):
        units = 0.0
        for at, cost in used[first:]:
            units += cost
            bound = rate.burst_units + (at - used[first][0]) * rate.units_per_second
            assert units <= bound * 1.0001 + 0.01


async def _used_by(fleet: list[Limiter], clock: Hands, chance: random.Random, rate: Rate) -> list[tuple[float, float]]:
    """A few at first, so that units are taken ahead; a pause in which the bucket fills; then all that there is."""
    used: list[tuple[float, float]] = []

    async def use(limiter: Limiter, cost: float) -> bool:
        try:
            await limiter.acquire("x", rate, cost)
        except GateClosed:
            return False
        used.append((clock.now, cost))
        return True

    while len(used) < 200:
        for _ in range(3):
            await use(chance.choice(fleet), 1)
        await clock.move(chance.choice([0.0, 0.5, 0.95, 3.0]) * AHEAD_SECONDS)
        for cost in (rate.burst_units / 10, rate.burst_units / 50, 1):
            for limiter in chance.sample(fleet, len(fleet)):
                while await use(limiter, cost):
                    pass
        await clock.move(chance.choice([0.1, 1.0, 5.0]) * rate.burst_units / rate.units_per_second)
    return used


async def test_a_fast_rate_asks_the_database_less(database: Pool, clock: Hands) -> None:
    """Where a rate is high, most requests are served from units that were taken a moment ahead."""
    asked = 0

    class Counting:
        """The pool, counting."""

        async def fetchrow(self, *args: Any) -> Any:  # noqa: ANN401 - as the pool has it
            nonlocal asked
            asked += 1
            return await database.fetchrow(*args)

    limiter = Limiter(Counting(), boot=lambda: clock.now, sleep=clock.move)  # type: ignore[arg-type]  # what it needs
    rate = Rate(1000)
    for _ in range(200):
        await limiter.acquire("x", rate, 1)
        await clock.move(0.002)
    assert asked < 20
    asked = 0
    for _ in range(10):
        await limiter.acquire("y", Rate(20), 1)
    assert asked == 10


async def test_units_ahead_are_not_used_after_a_refusal(database: Pool, clock: Hands) -> None:
    """Whoever is told to pause forgets what it took ahead."""
    limiter, rate = clock.daemon(), Rate(1000)
    for _ in range(2):
        await limiter.acquire("x", rate, 1)
    gate = await limiter.acquire("x", rate, 1)
    assert limiter._stock["x"].units > 0
    await gate.close(60, "429")
    with pytest.raises(GateClosed):
        await limiter.acquire("x", rate, 1)


async def _fail(limiter: Limiter, times: int = 1) -> None:
    for _ in range(times):
        await (await limiter.pass_gate("k")).failed("down", 0.0)


async def test_failures_in_a_row_close_the_gate_for_all(database: Pool, clock: Hands) -> None:
    """The fifth failed call in a row, wherever it was made, closes the gate; an answer begins the count anew."""
    one, other = clock.daemon(), clock.daemon()
    await _fail(one, 2)
    await _fail(other, 2)
    await (await one.pass_gate("k")).answered()
    await _fail(one, 4)
    assert await gates.closed(database, "k") is None
    await _fail(other)
    closed = await gates.closed(database, "k")
    assert closed is not None
    assert closed.wait_seconds == pytest.approx(15)
    assert closed.reason == "down"
    with pytest.raises(GateClosed):
        await one.pass_gate("k")


async def _broken(database: Pool, clock: Hands) -> None:
    await _fail(clock.daemon(), FAILURES_MAX)
    await clock.move(15)
    assert await gates.closed(database, "k") is None


async def _until_waiting(connection: Any, count: int) -> None:  # noqa: ANN401 - a connection of the pool
    """Until so many sessions wait for a lock; what is seen in a transaction is kept unless it is cleared."""
    with anyio.fail_after(20):
        await connection.execute("SELECT pg_stat_clear_snapshot()")
        while await connection.fetchval(WAITING) < count:
            await anyio.sleep(0.01)
            await connection.execute("SELECT pg_stat_clear_snapshot()")


async def test_one_tries_for_the_whole_fleet(database: Pool, clock: Hands) -> None:
    """When a breaker's pause is over, one of a hundred that come at once passes, and the lane is closed behind it."""
    await _broken(database, clock)
    answers: list[Passed | Closed] = []

    async def come() -> None:
        answers.append(await gates.passed(database, "k"))

    holder = await database.acquire()
    async with anyio.create_task_group() as tasks, holder.transaction():
        await holder.execute("SELECT FROM crmd.gate WHERE key = 'k' FOR UPDATE")
        for _ in range(100):
            tasks.start_soon(come)
        await _until_waiting(holder, 8)  # as many as the pool lets through have looked, and wait for the row
    await database.release(holder)
    assert sum(isinstance(answer, Passed) for answer in answers) == 1
    assert Passed(is_troubled=True, is_trying=True) in answers
    closed = await gates.closed(database, "k")  # which is what keeps the jobs of its lane in the queue
    assert closed is not None
    assert closed.wait_seconds == pytest.approx(TRY_SECONDS)


async def test_one_tries_behind_a_rate_too(database: Pool, clock: Hands) -> None:
    """The same holds where gate and bucket are asked in one question; a dry bucket does not use up the try."""
    await _broken(database, clock)
    limiter = clock.daemon()
    limiter._wait_seconds_max = 0.0
    await limits.take(database, "x", 100, rate_per_second=10, burst=100)
    with pytest.raises(GateClosed, match="rate of x"):
        await limiter.admit("k", "x", RATE)
    assert await gates.closed(database, "k") is None
    await clock.move(1)
    gates_passed = []
    for _ in range(3):
        try:
            gates_passed.append(await limiter.admit("k", "x", RATE))
        except GateClosed as closed:
            assert closed.key == "k"  # noqa: PT017 - the first passes, the others raise
    [gate] = gates_passed
    assert gate.passed.is_trying
    await gate.answered()
    assert (await limiter.admit("k", "x", RATE)).passed == Passed()


@pytest.mark.parametrize("is_answered", [True, False])
async def test_a_try_opens_the_gate_or_closes_it_for_longer(database: Pool, clock: Hands, is_answered: bool) -> None:  # noqa: FBT001 - a table of two
    """An answer opens the gate for all at once; another failure closes it for twice as long as before."""
    await _broken(database, clock)
    gate = await clock.daemon().pass_gate("k")
    if is_answered:
        await gate.answered()
        assert (await clock.daemon().pass_gate("k")).passed == Passed()
        await _fail(clock.daemon(), FAILURES_MAX - 1)
        assert await gates.closed(database, "k") is None
        return
    await gate.failed("down", 0.0)
    closed = await gates.closed(database, "k")
    assert closed is not None
    assert closed.wait_seconds == pytest.approx(30)


async def test_a_try_that_is_never_heard_of_is_followed_by_another(database: Pool, clock: Hands) -> None:
    """When the one that tried dies, the next may try a little later."""
    await _broken(database, clock)
    await clock.daemon().pass_gate("k")
    with pytest.raises(GateClosed):
        await clock.daemon().pass_gate("k")
    await clock.move(TRY_SECONDS)
    assert (await clock.daemon().pass_gate("k")).passed.is_trying


async def test_a_breaker_never_opens_what_waits_for_a_person(database: Pool, clock: Hands) -> None:
    """Neither a failure nor an answer changes a gate that an operator, or a lost grant, keeps closed."""
    await _broken(database, clock)
    gate = await clock.daemon().pass_gate("k")
    await gates.close(database, "k", seconds=None, reason="needs a consent")
    await gate.failed("down", 0.0)
    await gate.answered()
    assert await gates.closed(database, "k") == Closed("k", None, "needs a consent")


async def test_failures_long_past_count_no_more(database: Pool, clock: Hands) -> None:
    """Four failures this morning and one now are no outage."""
    await _fail(clock.daemon(), FAILURES_MAX - 1)
    await clock.move(3600)
    await _fail(clock.daemon())
    assert await gates.closed(database, "k") is None


async def test_a_healthy_call_writes_nothing(database: Pool, clock: Hands) -> None:
    """Where nothing is wrong, passing and answering leave no row behind."""
    await (await clock.daemon().pass_gate("k")).answered()
    assert await database.fetchval("SELECT count(*) FROM crmd.gate") == 0
    assert await clock.daemon().pass_gate("k") is not None


async def test_repeats_stay_a_share_of_first_tries(database: Pool, clock: Hands) -> None:
    """Two daemons together repeat a tenth of what they try, beside one a second that is free."""
    budgets = [RetryBudget(database), RetryBudget(database)]
    for budget in budgets:
        for _ in range(1000):
            budget.tried("bank")
    granted = 0
    while (seconds := await budgets[granted % 2].repeat_seconds("bank")) == 0:
        granted += 1
    assert granted == pytest.approx(2000 * 0.1 + 60, abs=2)
    assert await gates.closed(database, repeats_key("bank")) is not None
    assert await budgets[0].repeat_seconds("other") == 0
    await clock.move(seconds + 1)
    assert await budgets[0].repeat_seconds("bank") == 0
    assert math.isfinite(seconds)


async def test_a_quiet_provider_may_be_repeated_to(database: Pool, clock: Hands) -> None:
    """A few repeats are free, however little was tried."""
    budget = RetryBudget(database)
    budget.tried("bank")
    assert [await budget.repeat_seconds("bank") for _ in range(5)] == [0] * 5
    assert clock.now == 0


async def test_a_host_that_asks_for_a_pause_is_left_alone(database: Pool, clock: Hands) -> None:
    """A 429 from a user's address holds for the workspace's other jobs on every daemon, and for no other workspace."""
    seen: list[str] = []

    async def wire(request: Any) -> Any:  # noqa: ANN401 - the client's own types
        seen.append(request.host)
        status = 429 if request.host == "busy.example" else 200
        return Response(status, {"Retry-After": "60"}, b"", request.host)

    async with GuardedClient("public", policy=HttpPolicy()) as one, GuardedClient("public") as two:
        one.wire = two.wire = wire
        ours = [BoundClient(client, clock.daemon(), UUID(int=1)) for client in (one, two)]
        for client in ours:
            with pytest.raises(GateClosed) as caught:
                await client.request("GET", "https://busy.example/x")
            assert caught.value.key == f"host/{UUID(int=1)}/busy.example"
        assert seen == ["busy.example"]
        assert (await ours[0].request("GET", "https://calm.example/")).is_ok
        with pytest.raises(GateClosed):
            await BoundClient(one, clock.daemon(), UUID(int=2)).request("GET", "https://busy.example/")
    assert seen == ["busy.example", "calm.example", "busy.example"]


async def test_a_provider_that_is_down_sees_single_tries(database: Pool, clock: Hands) -> None:
    """While a provider fails for ten minutes, two daemons with a job a second ask it a handful of times, then go on."""
    asked: list[float] = []
    is_down = True

    async def wire(request: Any) -> Any:  # noqa: ANN401 - the client's own types
        asked.append(clock.now)
        return Response(503 if is_down else 200, {}, b"", request.host)

    async def call(client: GuardedClient, limiter: Limiter) -> bool:
        try:
            gate = await limiter.pass_gate("connection/1", provider="bank")
            return (await client.request("GET", "http://bank.example/", gate=gate)).is_ok
        except (GateClosed, RetryJob):
            return False

    async with GuardedClient("none", sleep=clock.move) as one, GuardedClient("none", sleep=clock.move) as two:
        one.wire = two.wire = wire
        fleet = [(one, clock.daemon()), (two, clock.daemon())]
        for _, limiter in fleet:
            limiter._wait_seconds_max = 0.0
        while clock.now < 600:
            for client, limiter in fleet:
                assert not await call(client, limiter)
            await clock.move(1)
        tries_after_opening = [at for at in asked if at > 20]
        assert len(asked) < 40
        assert len({round(at / 10) for at in tries_after_opening}) < 10
        is_down = False
        await clock.move(400)
        assert [await call(client, limiter) for client, limiter in fleet] == [True, True]

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crmd.errors import GateClosed
from crmd.http.limiter import Limiter, Rate
from crmd.store import gates

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]


async def test_a_gate_closes_for_a_time(database: Pool) -> None:
    """A closed gate says how long it stays closed, and why."""
    assert await gates.closed(database, "k") is None
    await gates.close(database, "k", seconds=60, reason="429")
    closed = await gates.closed(database, "k")
    assert closed is not None
    assert closed.reason == "429"
    assert closed.wait_seconds == pytest.approx(60, abs=5)
    assert [gate.key for gate in await gates.closed_gates(database)] == ["k"]


async def test_a_shorter_pause_never_replaces_a_longer_one(database: Pool) -> None:
    """Two daemons that saw different pauses leave the longer one."""
    await gates.close(database, "k", seconds=600, reason="long")
    await gates.close(database, "k", seconds=5, reason="short")
    closed = await gates.closed(database, "k")
    assert closed is not None
    assert closed.reason == "long"
    await gates.close(database, "k", seconds=None, reason="for ever")
    await gates.close(database, "k", seconds=600, reason="long")
    closed = await gates.closed(database, "k")
    assert closed is not None
    assert (closed.reason, closed.wait_seconds) == ("for ever", None)


async def test_a_gate_opens_by_itself(database: Pool) -> None:
    """A pause that is over holds nobody, and its row is swept some time later."""
    await gates.close(database, "k", seconds=-1, reason="over")
    assert await gates.closed(database, "k") is None
    assert await gates.closed_gates(database) == []
    await gates.sweep(database, older_than_seconds=3600)
    assert await database.fetchval("SELECT count(*) FROM crmd.gate") == 1
    await gates.sweep(database, older_than_seconds=0)
    assert await database.fetchval("SELECT count(*) FROM crmd.gate") == 0


async def test_opening_wakes_sleeping_daemons(database: Pool) -> None:
    """Whoever opens a gate wakes the daemons that sleep, once; opening an open gate wakes nobody."""
    await database.execute(
        "INSERT INTO crmd.daemon (id, host, pid, version, queues, started_at, beat_at, lease_until, idle_queues)"
        " VALUES (gen_random_uuid(), 'h', 1, '0', '{}', now(), now(), now() + interval '1 hour', '{fast}')"
    )
    heard: list[str] = []
    async with database.acquire() as connection:

        def hear(*args: object) -> None:
            heard.append(str(args[-1]))

        await connection.add_listener("crmd_wake", hear)
        await gates.close(connection, "k", seconds=None, reason="r")
        assert await gates.reopen(connection, "k")
        assert not await gates.reopen(connection, "k")
        await connection.fetchval("SELECT 1")
        await connection.remove_listener("crmd_wake", hear)
    assert heard == ["*"]


def opener(pool: Pool, slept: list[float]) -> Callable[[float], Awaitable[None]]:
    """A sleep during which somebody opens the gate."""

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await gates.reopen(pool, "k")

    return sleep


async def test_a_short_pause_is_waited_inside_the_job(database: Pool) -> None:
    """A job waits a short pause out and goes on."""
    slept: list[float] = []
    limiter = Limiter(database, wait_seconds_max=10, sleep=opener(database, slept))
    await limiter.pass_gate("k")
    assert slept == []
    await gates.close(database, "k", seconds=5, reason="r")
    await limiter.pass_gate("k")
    assert slept == pytest.approx([5], abs=2)


async def test_nothing_is_taken_behind_a_closed_gate(database: Pool) -> None:
    """One question asks gate and bucket: while the gate is closed the bucket keeps its units."""
    limiter, rate = Limiter(database), Rate(1, per_seconds=60, burst=10)
    await gates.close(database, "k", seconds=None, reason="why")
    with pytest.raises(GateClosed, match="why") as caught:
        await limiter.admit("k", "bucket", rate, 10)
    assert (caught.value.key, caught.value.after_seconds) == ("k", None)
    await gates.reopen(database, "k")
    await limiter.admit("k", "bucket", rate, 10)
    with pytest.raises(GateClosed) as caught:
        await limiter.admit("k", "bucket", rate, 10)
    assert caught.value.key == "limit/bucket"
    await gates.close(database, "k", seconds=900, reason="why")
    for cost in (0, 10):
        with pytest.raises(GateClosed, match="why"):
            await limiter.admit("k", "bucket", rate, cost)


@pytest.mark.parametrize("seconds", [60, None])
async def test_a_long_pause_gives_the_slot_back(database: Pool, seconds: float | None) -> None:
    """A job does not sit out a long pause, nor one that waits for a person."""
    await gates.close(database, "k", seconds=seconds, reason="why")
    with pytest.raises(GateClosed, match="why") as caught:
        await Limiter(database).pass_gate("k")
    assert caught.value.key == "k"
    assert (caught.value.after_seconds is None) == (seconds is None)

"""What operators change live reaches the daemons: queues that rest and are resized, at once and after restarts."""

from __future__ import annotations

import itertools
import signal
from typing import TYPE_CHECKING
from uuid import UUID

import anyio
import pytest
import sample_jobs
from fleet import running_fleet

from crmd.engine.claimers import Claimers
from crmd.engine.executor import Executor
from crmd.engine.options import EngineOptions
from crmd.engine.retuning import Retuning
from crmd.engine.settler import Settler
from crmd.engine.source import Source, claim_from
from crmd.store import tuning
from crmd.tuning import UNTUNED

if TYPE_CHECKING:
    from pathlib import Path

    from crmd.testing import Workbench
    from crmd.tuning import Tuning

OPTIONS = EngineOptions(version="test", slots={"slow": 10}, poll_max_seconds=0.01)
COMPLETED = "SELECT count(*) FROM crmd.archive WHERE status = 'completed'"


@pytest.mark.crmd_plugins(sample_jobs)
async def test_a_queue_that_rests_is_not_claimed(workbench: Workbench) -> None:
    """Nothing starts before the live settings are known, nor while the queue rests; a size holds until it is reset."""
    executor = Executor(workbench.everything.services, Settler(workbench._pool, lambda _: None), {"slow": 10})
    claimers = Claimers(workbench._pool, executor, lambda: OPTIONS, lambda: False)
    claimer = claimers.add("slow")
    claimers.begin(workbench._daemon_id)
    for number in range(20):
        await workbench.enqueue("naps", {"number": 60_000 + number})
    waiting = "SELECT count(*) FROM crmd.job WHERE attempt = 0"
    try:
        await claimer.claim_once()
        assert await workbench._pool.fetchval(waiting) == 20
        await tuning.pause(workbench._pool, "queue:slow", reason="test", seconds=None)
        await tuning.tune(workbench._pool, "queue:slow", reason="test", slots=3)
        claimers.retune(await tuning.read(workbench._pool))
        await claimer.claim_once()
        assert await workbench._pool.fetchval(waiting) == 20
        await tuning.resume(workbench._pool, "queue:slow")
        claimers.retune(await tuning.read(workbench._pool))
        await claimer.claim_once()
        assert await workbench._pool.fetchval(waiting) == 17
        assert await tuning.untune(workbench._pool, "queue:slow")
        claimers.retune(await tuning.read(workbench._pool))
        await claimer.claim_once()
        assert await workbench._pool.fetchval(waiting) == 10
    finally:
        await executor.close()


@pytest.mark.crmd_plugins(sample_jobs)
async def test_word_ends_the_wait_for_the_next_look(workbench: Workbench) -> None:
    """A look that is asked for happens at once; what it reads is told."""
    told: list[Tuning] = []
    looking = Retuning(workbench._pool, told.append)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(looking.look_once)
        while not told:  # noqa: ASYNC110 - told by the task
            await anyio.sleep(0.001)
        looking.soon()
        await tuning.pause(workbench._pool, "type:naps", reason="test", seconds=60)
    await looking.look_once()
    assert [one.paused for one in told] == [frozenset(), frozenset({"type:naps"})]
    assert told[0] == UNTUNED


@pytest.mark.parametrize("slots", [1, 7, 10])
async def test_work_with_and_without_keys_shares_the_slots(slots: int) -> None:
    """While there are both each gets half, also where slots come free one by one; alone each gets all."""
    got = {"plain": 0, "keyed": 0}
    busy = {"plain", "keyed"}

    def source(name: str) -> Source:
        async def claim(wanted: int, _: UUID) -> int:
            got[name] += wanted if name in busy else 0
            return wanted if name in busy else 0

        return Source(claim)

    sources, now = [source("plain"), source("keyed")], 0.0

    async def claim_often(times: int) -> None:
        nonlocal now
        for _ in range(times):
            sources.reverse()
            assert await claim_from(sources, slots, UUID(int=1), now := now + 0.001) <= slots

    await claim_often(21)
    assert abs(got["plain"] - got["keyed"]) <= slots + 1
    before = dict(got)
    await claim_often(1)
    assert max(got[name] - before[name] for name in got) == -(-slots // 2)
    busy.remove("keyed")
    await claim_often(20)
    assert sum(got.values()) >= 41 * slots  # the claim that finds one of them dry leaves its half to the next


@pytest.mark.slow
async def test_a_pause_outlives_restarts_and_ends_everywhere(crmd_dsn: str, tmp_path: Path) -> None:
    """A daemon that starts while a queue rests leaves it alone and runs the others; when it is resumed, it goes on."""
    async with running_fleet(crmd_dsn, tmp_path, count=1) as fleet:
        await fleet.connection.execute("SELECT crmd.pause('queue:fast', 'test')")
        fleet.start()
        await fleet.ready(2)
        fleet.daemons[0].send(signal.SIGTERM)
        assert await fleet.daemons[0].ended() == 0
        await fleet.enqueue("mark", 20)
        await fleet.connection.fetch("SELECT crmd.enqueue('mark', queue => 'normal') FROM generate_series(1, 5)")
        await fleet.until(COMPLETED, 5)
        waiting = await fleet.connection.fetchrow("SELECT count(*), sum(attempt + crash_count) AS spent FROM crmd.job")
        assert waiting is not None
        assert tuple(waiting) == (20, 0)
        await fleet.connection.execute("SELECT crmd.resume('queue:fast')")
        await fleet.until(COMPLETED, 25)


async def test_a_wake_up_is_for_the_kind_that_had_work_last() -> None:
    """With nothing at work, the source that found something last is asked first; none is asked instead of the other."""
    asked: list[str] = []
    due = {"lanes": 0, "ready": 0}

    def source(name: str) -> Source:
        async def claim(wanted: int, daemon_id: UUID) -> int:
            asked.append(name)
            got, due[name] = min(wanted, due[name]), max(due[name] - wanted, 0)
            return got

        return Source(claim)

    sources = [source("lanes"), source("ready")]
    clock = itertools.count(1.0)

    async def look() -> None:
        sources.reverse()
        await claim_from(sources, 10, UUID(int=1), next(clock))

    for kind in ("ready", "lanes"):
        due[kind] = 1
        await look()  # one job
        await look()  # and no more
        for _ in range(2):
            asked.clear()
            await look()
            assert asked == [kind, *({"lanes", "ready"} - {kind})]

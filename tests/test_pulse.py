"""The look that wakes the loops of a daemon: quiet while there is nothing to do, and due for whatever there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
import sample_jobs

from crmd.engine.pulse import BEAT_SECONDS, DRAINING_SECONDS, Pulse
from crmd.engine.reaper import reap_once

if TYPE_CHECKING:
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)
SENDING = (
    "INSERT INTO crmd.effect (kind, key, state, job_id, job_type, planned_at, changed_at, fence, claim_id) "
    "VALUES ('mail', 'k', '{0}', crmd.uuid7(), 'x', crmd.clock(), crmd.clock(), 1, crmd.uuid7())"
)
PROJECTION = "INSERT INTO crmd.projection (name, generation, plugin, version, state, made_at) VALUES "
WAITING = (
    "INSERT INTO crmd.waiting (job_id, step, fence, event_type, match, probe, since_at, registered_at, until_at, {0}) "
    "VALUES (crmd.uuid7(), 's', 1, 'e', '{{}}', 0, crmd.clock(), crmd.clock(), 'infinity', {1})"
)
LATE = "UPDATE crmd.daemon SET beat_at = crmd.clock() - interval '{}', lease_until = crmd.clock() + interval '{}'"
DUE = [
    ("reaping", "UPDATE crmd.daemon SET lease_until = crmd.clock() - interval '1 second'"),
    ("reaping", "UPDATE crmd.daemon SET is_dead = true, lease_until = crmd.clock() - interval '2 hours'"),
    ("suspects", "UPDATE crmd.job SET held = 'suspect'"),
    ("ailing", LATE.format("40 min", "20 min")),
    ("", LATE.format("20 min", "40 min")),
    ("draining", "UPDATE crmd.daemon SET stopping_at = crmd.clock()"),
    ("reaping", "UPDATE crmd.daemon SET stopping_at = crmd.clock(), lease_until = crmd.clock() - interval '1 second'"),
    ("probing tuning", "INSERT INTO crmd.quarantine VALUES ('sample', '1', 'x', crmd.clock(), crmd.clock())"),
    ("projecting", PROJECTION + "('known', 1, 'sample', 1, 'building', crmd.clock())"),
    ("projecting", PROJECTION + "('known', 1, 'sample', 1, 'live', crmd.clock()); SELECT nextval('crmd.event_seq')"),
    ("resuming", WAITING.format("is_sure", "false")),
    ("resuming", WAITING.format("is_sure, event", "true, '{}'")),
    ("letting_go", "UPDATE crmd.job SET held = 'key', follows = crmd.uuid7()"),
    ("letting_go", "UPDATE crmd.job SET expires_at = crmd.clock()"),
    ("letting_go", "UPDATE crmd.job SET held = 'unknown'"),
    ("reconciling", "UPDATE crmd.job SET held = 'reconcile'"),
    ("reconciling", SENDING.format("handed_over")),
    ("", SENDING.format("unknown")),
    ("tuning", "SELECT crmd.pause('queue:fast', 'test')"),
    ("tuning", "UPDATE crmd.job_type SET relaned_to = crmd.uuid7()"),
    ("watched", "INSERT INTO crmd.watching VALUES (crmd.uuid7(), NULL, crmd.clock() + interval '1 minute')"),
    ("", "INSERT INTO crmd.watching VALUES (crmd.uuid7(), NULL, crmd.clock())"),
    ("", PROJECTION + "('another daemon''s', 1, 'sample', 1, 'building', crmd.clock())"),
    ("", WAITING.format("is_sure", "true")),
    ("", "UPDATE crmd.job SET held = 'suspect', run_at = crmd.clock() + interval '1 hour'"),
]


async def beaten(workbench: Workbench, told: list[str]) -> Pulse:
    """A pulse after its first beat."""
    pulse = Pulse(workbench._pool, lambda: ["known"], lambda: told.append("tuning"))
    await pulse.beat_once()
    return pulse


@pytest.mark.parametrize(("names", "statements"), DUE)
async def test_what_there_is_to_do_is_due(workbench: Workbench, names: str, statements: str) -> None:
    """A waiting job is no housekeeping; each thing that is wakes the loop that does it, and no other."""
    await workbench.enqueue("add-one", {"number": 1})
    told: list[str] = []
    assert (await beaten(workbench, told))._due == frozenset()
    async with workbench._pool.acquire() as connection:
        await connection.execute(statements)
    assert (await beaten(workbench, told))._due == set(names.split())
    assert bool(told) == ("tuning" in names)


@pytest.mark.parametrize(
    ("statement", "least", "most"),
    [
        ("UPDATE crmd.daemon SET lease_until = crmd.clock() + interval '1 hour'", BEAT_SECONDS, BEAT_SECONDS),
        ("UPDATE crmd.daemon SET lease_until = crmd.clock() + interval '500 ms'", 0.0, 0.505),
        ("UPDATE crmd.daemon SET lease_until = crmd.clock() - interval '1 hour'", BEAT_SECONDS, BEAT_SECONDS),
        ("DELETE FROM crmd.daemon", BEAT_SECONDS, BEAT_SECONDS),
        ("UPDATE crmd.daemon SET stopping_at = crmd.clock()", DRAINING_SECONDS, DRAINING_SECONDS),
    ],
)
async def test_the_next_look_is_when_a_lease_runs_out(
    workbench: Workbench, statement: str, least: float, most: float
) -> None:
    """When a lease ends, not up to a second later; soon while somebody gives jobs back; else once a second."""
    pulse = Pulse(workbench._pool, list, lambda: None)
    await workbench._pool.execute(statement)
    assert least <= await pulse.beat_once() <= most


async def test_after_a_restart_a_lease_runs_out_later(workbench: Workbench) -> None:
    """Nobody is buried before each had the time of a lease anew; the look comes then, and not up to a second later."""
    await workbench._pool.execute(
        "UPDATE crmd.daemon SET lease_until = crmd.clock() - interval '1 second',"
        " beat_at = crmd.clock() - interval '1.5 seconds' - (clock_timestamp() - pg_postmaster_start_time())"
    )
    pulse = Pulse(workbench._pool, list, lambda: None)
    assert 0.0 <= await pulse.beat_once() <= 0.505
    assert not pulse.is_due("reaping")
    assert await reap_once(workbench._pool) == 0
    await workbench._pool.execute("UPDATE crmd.daemon SET beat_at = beat_at + interval '500 ms'")
    assert await pulse.beat_once() == BEAT_SECONDS
    assert pulse.is_due("reaping")


async def test_a_lease_of_nobody_is_due(workbench: Workbench) -> None:
    """A running job whose daemon has no row any more is to be recovered."""
    await workbench.enqueue("add-one", {"number": 1})
    await workbench._claim()
    assert (await beaten(workbench, []))._due == frozenset()
    await workbench._pool.execute("DELETE FROM crmd.daemon")
    assert (await beaten(workbench, []))._due == {"reaping"}


async def test_a_loop_has_its_turn_while_there_is_more(workbench: Workbench) -> None:
    """A step runs with a beat that finds something, again at once while it says so, and not without."""
    pulse = Pulse(workbench._pool, list, lambda: None)
    answers = [0.0, 0.0, 1.0, 1.0]
    turns: list[float] = []

    async def step() -> float:
        turns.append(answers[len(turns)])
        return turns[-1]

    async with anyio.create_task_group() as tasks:

        async def loop() -> None:
            while True:
                await pulse.when_due("tuning", step)()

        tasks.start_soon(loop)
        await anyio.wait_all_tasks_blocked()
        await pulse.beat_once()
        await anyio.wait_all_tasks_blocked()
        assert turns == []
        await workbench._pool.execute("SELECT crmd.pause('queue:fast', 'test')")
        await pulse.beat_once()
        await anyio.wait_all_tasks_blocked()
        assert turns == [0.0, 0.0, 1.0]
        tasks.cancel_scope.cancel()

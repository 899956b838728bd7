"""A plugin whose jobs crash again and again is kept from running, and finds its way back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

import crmd
from crmd.engine.quarantine import Quarantine
from crmd.store import blame as accounts
from crmd.store import leases, tuning

if TYPE_CHECKING:
    from crmd.engine.services import Services
    from crmd.testing import Workbench

NAME = __name__
MINUTE = 60.0


@crmd.job("touchy", queue="fast")
async def touchy(ctx: crmd.Context) -> None:
    """Does nothing; the test says how its process ended."""


@crmd.job("errs", queue="fast", max_attempts=2, backoff=crmd.Backoff(first_seconds=1, jitter=0))
async def errs(ctx: crmd.Context) -> None:
    """Fails."""
    raise ValueError("no")


@crmd.job("declines", queue="fast")
async def declines(ctx: crmd.Context) -> crmd.Cancel:
    """Ends itself, which is no fault."""
    return crmd.Cancel("not wanted")


pytestmark = pytest.mark.crmd_plugins(sys.modules[__name__])


async def crash(services: Services, count: int) -> None:
    """The processes of so many different jobs die."""
    for _ in range(count):
        services.blame.crashed(plugin_of(services), uuid4(), "killed by SIGSEGV")
    await Quarantine(services).write_once()


def plugin_of(services: Services) -> str:
    """The name under which this module is loaded."""
    return services.job_types["touchy"].plugin


async def paused(workbench: Workbench) -> set[str]:
    """The job types that rest."""
    return {key.removeprefix("type:") for key in (await tuning.read(workbench.everything.pools.control)).paused}


async def test_three_jobs_that_crash_make_their_plugin_wait(workbench: Workbench) -> None:
    """All types of a quarantined plugin rest on all daemons; two crashes are not enough."""
    services = workbench.everything.services
    await crash(services, 2)
    assert await paused(workbench) == set()
    await crash(services, 1)
    assert await paused(workbench) == {"touchy", "errs", "declines"}


async def test_one_job_alone_puts_nobody_into_quarantine(workbench: Workbench) -> None:
    """A single poison job is dead by itself; the others of its plugin go on."""
    services = workbench.everything.services
    job_id = uuid4()
    for _ in range(5):
        services.blame.crashed(plugin_of(services), job_id, "killed by SIGSEGV")
    await Quarantine(services).write_once()
    assert await paused(workbench) == set()


async def test_crashes_of_long_ago_do_not_count(workbench: Workbench) -> None:
    """Only crashes within ten minutes make a quarantine."""
    services = workbench.everything.services
    await crash(services, 2)
    await workbench.clock.advance(11 * MINUTE)
    await crash(services, 2)
    assert await paused(workbench) == set()


async def test_a_release_ends_it_and_begins_anew(workbench: Workbench) -> None:
    """A released plugin runs; the crashes of before are forgotten."""
    services = workbench.everything.services
    await crash(services, 3)
    assert await accounts.release(services.pools.control, plugin_of(services))
    assert await paused(workbench) == set()
    assert not await accounts.release(services.pools.control, plugin_of(services))
    await crash(services, 2)
    assert await paused(workbench) == set()


async def test_another_version_is_released(workbench: Workbench) -> None:
    """A plugin that is loaded in another version than the one that crashed gets its chance."""
    services = workbench.everything.services
    await crash(services, 3)
    await Quarantine(services).write_once()
    assert await paused(workbench) != set()
    services.versions = {plugin_of(services): "mended 2.0"}
    await Quarantine(services).write_once()
    assert await paused(workbench) == set()


async def probed(workbench: Workbench) -> list[tuple[object, object]]:
    """Which jobs are let try, and which suspects may be claimed."""
    pool = workbench.everything.pools.control
    names = list(workbench.everything.services.job_types)
    rows = await accounts.probe(pool, names)
    async with pool.acquire() as connection:
        free = await leases.suspects_waiting(connection, 10, names, ["fast"])
    return [(row["plugin"], row["probe_job"]) for row in rows] + [("free", row["id"]) for row in free]


async def test_one_job_tries_after_a_while(workbench: Workbench) -> None:
    """After the waiting time one job, over all daemons, becomes a suspect; when it comes through, all run again."""
    services = workbench.everything.services
    first, second = [(await workbench.enqueue("touchy")).id for _ in range(2)]
    await crash(services, 3)
    assert await probed(workbench) == []
    await workbench.clock.advance(10 * MINUTE + 1)
    plugin = plugin_of(services)
    assert await probed(workbench) == [(plugin, first), ("free", first)]
    assert await probed(workbench) == [("free", first)]
    services.blame.survived(plugin, second)  # another job of it: says nothing about the probe
    await Quarantine(services).write_once()
    assert await paused(workbench) != set()
    services.blame.survived(plugin, first)
    await Quarantine(services).write_once()
    assert await paused(workbench) == set()


async def test_a_probe_that_crashes_waits_twice_as_long(workbench: Workbench) -> None:
    """Each failed probe doubles the time until the next."""
    services = workbench.everything.services
    await workbench.enqueue("touchy")
    await crash(services, 3)
    for minutes in (10, 20, 40):
        await workbench.clock.advance(minutes * MINUTE - 5)
        assert [name for name, _ in await probed(workbench) if name != "free"] == []
        await workbench.clock.advance(10)
        assert [name for name, _ in await probed(workbench) if name != "free"] == [plugin_of(services)]
        await crash(services, 1)


async def test_suspects_of_a_quarantined_plugin_rest(workbench: Workbench) -> None:
    """Suspects are not claimed around a quarantine."""
    services = workbench.everything.services
    enqueued = await workbench.enqueue("touchy")
    await services.pools.control.execute("UPDATE crmd.job SET held = 'suspect' WHERE id = $1", enqueued.id)
    assert await probed(workbench) == [("free", enqueued.id)]
    await crash(services, 3)
    assert await probed(workbench) == []


async def test_accounts_add_up(workbench: Workbench) -> None:
    """What daemons write is added to the day: counts are summed, the longest and the newest are kept."""
    services = workbench.everything.services
    blame, plugin = services.blame, plugin_of(services)
    for seconds, place in ((2.0, "a.py:1 f"), (1.5, "b.py:2 g")):
        blame.stalled(plugin, seconds, place)
        blame.failed(plugin, "ValueError")
        blame.held(plugin, 12.0)
        blame.used(plugin, int(100 * seconds))
        blame.abandoned(plugin)
        await Quarantine(services).write_once()
    [row] = await accounts.listed(services.pools.plugins, 7)
    wanted = ("plugin", "stalls", "stall_seconds", "stall_place", "held", "memory_mib", "abandoned", "crashes")
    assert tuple(row[name] for name in wanted) == (plugin, 2, 2.0, "b.py:2 g", 2, 200, 2, 0)
    assert row["errors"] == {"ValueError": 2}
    await workbench.clock.advance(40 * 86400)
    await accounts.sweep(services.pools.control)
    assert await accounts.listed(services.pools.plugins, 90) == []


async def test_failed_attempts_are_charged_and_orders_are_not(workbench: Workbench) -> None:
    """Each attempt that ends by an error counts, by its class; a job that cancels itself does not."""
    services = workbench.everything.services
    await workbench.enqueue("errs")
    await workbench.enqueue("declines")
    await workbench.drain(is_time_moved=True)
    [row] = services.blame.take()
    assert (row["plugin"], row["errors"]) == (plugin_of(services), {"ValueError": 2})

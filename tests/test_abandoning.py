"""A handler that swallows every cancellation is given up with its drainer."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import anyio.lowlevel
import pytest

import crmd
from crmd.engine import executor as executing
from crmd.engine.abandoning import has_loose_tasks
from crmd.engine.executor import Executor
from crmd.engine.settler import Settler
from crmd.outcome import Stop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sys.modules[__name__])
SWALLOWED: list[int] = []
LET_GO = {"now": False}


@crmd.job("stubborn", queue="fast", max_attempts=1)
async def stubborn(ctx: crmd.Context) -> None:
    """Ends when it likes to."""
    while not LET_GO["now"]:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            SWALLOWED.append(1)


@crmd.job("quick", queue="fast")
async def quick(ctx: crmd.Context) -> None:
    """Ends at once."""


async def claimed(workbench: Workbench) -> tuple[list[Any], UUID]:
    """What is due, and the claim that it is of."""
    rows = await workbench._claim()
    return rows, rows[0]["claim_id"]


@pytest.fixture(autouse=True)
async def freed() -> AsyncIterator[None]:
    """Whatever a test comes to, its stubborn job ends with it."""
    LET_GO["now"] = False
    yield
    LET_GO["now"] = True
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


async def turns(count: int = 20) -> None:
    """Let the loop turn."""
    for _ in range(count):
        await anyio.lowlevel.checkpoint()


async def test_a_given_up_drainer_is_replaced(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job ends with the place where it hangs, its slot is free, and nothing keeps the loop turning for it."""
    monkeypatch.setattr(executing, "GIVE_UP_SECONDS", 0.0)
    settler = Settler(workbench._pool, lambda _: None)
    executor = Executor(workbench.everything.services, settler, {"fast": 1})
    queue = executor.queues["fast"]
    first = (await workbench.enqueue("stubborn")).id
    [run] = executor.accept(queue, *await claimed(workbench))
    await turns()
    run.halt(Stop.TIMEOUT)
    await turns()
    assert SWALLOWED
    assert queue.free == 0
    executor.stop_overdue()
    await settler.settle_once()
    done = await workbench.finished(first)
    assert (done.status, done.errors[-1]["class"]) == ("dead", "Abandoned")
    assert any("test_abandoning.py" in place for place in done.errors[-1]["places"])
    assert (queue.free, executor.runs, len(executor.abandoned.runs), has_loose_tasks()) == (1, {}, 1, True)
    swallowed = len(SWALLOWED)
    await turns()
    assert len(SWALLOWED) <= swallowed + 1  # one may have been on its way
    second = (await workbench.enqueue("quick")).id
    executor.accept(queue, *await claimed(workbench))
    await turns()
    await settler.settle_once()
    assert (await workbench.finished(second)).status == "completed"
    LET_GO["now"] = True
    for task in executor._drainers:
        task.cancel()
    await turns()
    assert (executor.abandoned.runs, executor._drainers, queue.drainers, has_loose_tasks()) == (set(), {}, 0, False)
    await executor.close()


async def test_who_swallows_cancellations_gets_few_of_them(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while a handler is cancelled with each look and not at each turn of the loop, and still as a whole."""
    executor = Executor(workbench.everything.services, Settler(workbench._pool, lambda _: None), {"fast": 1})
    await workbench.enqueue("stubborn")
    [run] = executor.accept(executor.queues["fast"], *await claimed(workbench))
    await turns()
    run.halt(Stop.TIMEOUT)
    await turns()
    executor.stop_overdue()
    before = len(SWALLOWED)
    await turns()
    assert len(SWALLOWED) > before + 5  # at each turn, as long as it may yet clean up
    monkeypatch.setattr(executing, "PRESS_SECONDS", -1.0)
    executor.stop_overdue()
    await turns()
    before = len(SWALLOWED)
    for look in range(3):
        await turns()
        assert len(SWALLOWED) == before + look
        executor.stop_overdue()
        await turns()
    LET_GO["now"] = True
    executor.stop_overdue()
    await turns()
    assert executor.runs == {}
    await executor.close()


async def test_a_drainers_own_fault_is_told(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no drainer should raise reaches whoever runs the engine."""

    async def broken(*_: object) -> None:
        raise RuntimeError("of the engine itself")

    monkeypatch.setattr(executing, "handle", broken)
    executor = Executor(workbench.everything.services, Settler(workbench._pool, lambda _: None), {"fast": 1})
    await workbench.enqueue("quick")
    executor.accept(executor.queues["fast"], *await claimed(workbench))
    with pytest.raises(RuntimeError, match="of the engine itself"):
        await executor.failing()
    await executor.close()

"""Parents whose children were started by an attempt that did not end well."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

import crmd

if TYPE_CHECKING:
    from crmd.testing import Workbench


@crmd.job("parent-once", backoff=crmd.Backoff(first_seconds=1, jitter=0))
async def parent_once(ctx: crmd.Context) -> None:
    """Starts its child once, in the transaction of its checkpoint, and is cut afterwards."""
    if ctx.restored(str) == "started":
        return
    async with ctx.transaction() as tx:
        await tx.enqueue("child-late", is_child=True, priority="low")
        await tx.checkpoint("started")
    raise crmd.RetryJob("cut")


@crmd.job("child-late")
async def child_late(ctx: crmd.Context) -> crmd.Snooze | dict[str, int]:
    """Ends long after its parent has run."""
    return {"done": 1} if ctx.job.snooze_count else crmd.Snooze(600)


pytestmark = pytest.mark.crmd_plugins(sys.modules[__name__])


async def test_a_later_attempt_waits_for_the_children_of_an_earlier_one(workbench: Workbench) -> None:
    """A parent that finds its children started by its first attempt ends with them, not before."""
    enqueued = await workbench.enqueue("parent-once")
    await workbench.drain()
    await workbench.clock.advance(60)
    await workbench.drain()
    assert (await workbench.finished(enqueued.id)).status == "processing"
    await workbench.drain(is_time_moved=True)
    done = await workbench.finished(enqueued.id)
    assert (done.status, done.attempt) == ("completed", 2)
    assert done.result["children"]["sums"] == {"done": 1}

"""Items over the attempts of a job, and jobs that are run again for what failed or from where they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

import durable_plugin
import pytest
from durable_jobs import CALLS, PROGRAM, called

from crmd.store import jobs
from crmd.store.jobs import Again

if TYPE_CHECKING:
    from collections.abc import Iterator

    import crmd
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(durable_plugin)


@pytest.fixture(autouse=True)
def nothing_called() -> Iterator[None]:
    """Each test counts for itself."""
    CALLS.clear()
    PROGRAM.clear()
    yield
    PROGRAM.clear()


async def test_a_later_attempt_goes_on_behind_the_last_item(workbench: Workbench) -> None:
    """Items that an attempt has booked are not handed out again, and all count in the progress."""
    PROGRAM.update({"cut at": 1500, "bad": {3, 1700}})
    enqueued = await workbench.enqueue("works-through", {"number": 2500})
    await workbench.attempt(enqueued.id)
    await workbench.clock.advance(60)
    done = await workbench.attempt(enqueued.id)
    assert (done.status, done.result) == ("completed", {"handed": 1000})
    assert done.progress == {
        "done": 2500, "total": 2500, "succeeded": 2498, "blocked": 0, "failed": 2, "reasons": {"bad": 2},
    }  # fmt: skip
    assert [item for item, count in CALLS.items() if count > 1] == ["item 1500"]


async def test_only_failed_items_are_done_again(workbench: Workbench) -> None:
    """A job that is run again for its failed items gets those alone; its own are booked under its own id."""
    PROGRAM["bad"] = {3, 5, 1200}
    first = await workbench.run_job("works-through", {"number": 1500})
    assert first.status == "completed"
    PROGRAM["bad"] = {5}
    CALLS.clear()
    pool = workbench.everything.pools.control
    again = await jobs.retry(pool, first.id, Again(is_failed_items=True))
    assert again is not None
    second = await workbench.attempt(again.id)
    assert (second.result, second.progress and second.progress["total"]) == ({"handed": 3}, 3)
    assert set(CALLS) == {"item 3", "item 5", "item 1200"}
    third = await jobs.retry(pool, again.id, Again(is_failed_items=True))
    assert third is not None
    CALLS.clear()
    assert (await workbench.attempt(third.id)).result == {"handed": 1}
    assert set(CALLS) == {"item 5"}


async def test_items_are_booked_by_their_key(workbench: Workbench) -> None:
    """What an item is booked as is said by the key; odd text is told apart and kept."""
    odd = [{"id": "a\x00b"}, {"id": "ü" * 600}, {"id": "plain"}]

    async def handler(ctx: crmd.Context) -> int:
        handed = 0
        async for item in ctx.remaining(odd, key=lambda item: item["id"]):
            handed += 1
            ctx.succeeded(item["id"])
        if ctx.job.attempt == 1:
            raise ValueError("cut")
        return handed

    PROGRAM["handler"] = handler
    enqueued = await workbench.enqueue("as-told")
    await workbench.drain(is_time_moved=True)
    done = await workbench.finished(enqueued.id)
    assert (done.status, done.result) == ("completed", 0)


async def test_a_hundred_thousand_items_are_passed_over(workbench: Workbench) -> None:
    """To find the one item that is left of a hundred thousand takes a hundred small questions."""
    enqueued = await workbench.enqueue("works-through", {"number": 100_000})
    pool = workbench.everything.pools.control
    await pool.execute(
        "INSERT INTO crmd.item SELECT $1, n::text, 'succeeded', NULL, crmd.clock() FROM generate_series(0, 99998) n",
        enqueued.id,
    )
    await pool.execute("UPDATE crmd.job SET fence = 1")
    done = await workbench.attempt(enqueued.id)
    assert done.result == {"handed": 1}
    assert done.progress is not None
    assert done.progress["done"] == 100_000


async def test_a_retried_job_starts_anew_or_goes_on(workbench: Workbench) -> None:
    """A plain retry does every step again; a resumed one goes on behind those kept, or from the one that is named."""

    async def handler(ctx: crmd.Context) -> list[object]:
        found = [await ctx.step(name, called, name, name.upper()) for name in ("a", "b", "c")]
        if PROGRAM.get("is broken"):
            await ctx.step("broken", int, "x")
        return found

    PROGRAM.update({"handler": handler, "is broken": True})
    enqueued = await workbench.enqueue("as-told")
    await workbench.drain(is_time_moved=True)
    assert (await workbench.finished(enqueued.id)).status == "dead"
    PROGRAM.pop("is broken")
    pool = workbench.everything.pools.control
    for how, calls in (
        (Again(), {"a": 1, "b": 1, "c": 1}),
        (Again(is_resumed=True), {}),
        (Again(is_resumed=True, from_step="b"), {"b": 1, "c": 1}),
    ):
        CALLS.clear()
        again = await jobs.retry(pool, enqueued.id, how)
        assert again is not None
        done = await workbench.attempt(again.id)
        assert (done.status, done.result, dict(CALLS)) == ("completed", ["A", "B", "C"], calls)

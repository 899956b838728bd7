"""Steps: done once, kept under the token, known again by name and order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import durable_plugin
import pytest
from durable_jobs import CALLS, PROGRAM, Point, called, point

import crmd

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from uuid import UUID

    from crmd.testing import Finished, Workbench

SQL = crmd.load_queries("durable_plugin")
pytestmark = pytest.mark.crmd_plugins(durable_plugin)


@pytest.fixture(autouse=True)
def nothing_called() -> Iterator[None]:
    """Each test counts for itself."""
    CALLS.clear()
    PROGRAM.clear()
    yield
    PROGRAM.clear()


async def run(workbench: Workbench, *handlers: Callable[[crmd.Context], Awaitable[object]]) -> Finished:
    """Run one job, whose program is another one in each attempt."""
    enqueued = await workbench.enqueue("as-told")
    return await again(workbench, enqueued.id, *handlers)


async def again(workbench: Workbench, job_id: UUID, *handlers: Callable[[crmd.Context], Awaitable[object]]) -> Finished:
    """Run further attempts of a job."""
    finished = None
    for handler in handlers:
        PROGRAM["handler"] = handler
        finished = await workbench.attempt(job_id)
        await workbench.clock.advance(3600)
    assert finished is not None
    return finished


def steps(*names: str, cut: bool = False) -> Callable[[crmd.Context], Awaitable[list[object]]]:
    """A program of so many steps."""

    async def handler(ctx: crmd.Context) -> list[object]:
        found = [await ctx.step(name, called, name, name.upper()) for name in names]
        if cut:
            raise crmd.RetryJob("cut")
        return found

    return handler


async def test_a_step_is_done_once_and_its_result_kept(workbench: Workbench) -> None:
    """A later attempt gets what an earlier one's steps returned, without a call."""
    done = await run(workbench, steps("a", "b", cut=True), steps("a", "b", "c"))
    assert (done.status, done.result) == ("completed", ["A", "B", "C"])
    assert dict(CALLS) == {"a": 1, "b": 1, "c": 1}


async def test_a_failed_step_is_done_again(workbench: Workbench) -> None:
    """What a step raised is not kept: the next attempt calls it again."""

    async def fails_once(ctx: crmd.Context) -> object:
        def work() -> str:
            CALLS["work"] += 1
            if CALLS["work"] == 1:
                raise ValueError("once")
            return "done"

        await ctx.step("first", called, "first")
        return await ctx.step("work", work)

    done = await run(workbench, fails_once, fails_once)
    assert (done.result, CALLS["first"], CALLS["work"]) == ("done", 1, 2)


async def test_results_are_typed_alike_in_every_attempt(workbench: Workbench) -> None:
    """The attempt that does a step and the one that finds it get the same, of the type that was declared."""
    seen: list[Any] = []

    def handler(*, cut: bool) -> Callable[[crmd.Context], Awaitable[None]]:
        async def go(ctx: crmd.Context) -> None:
            seen.append(await ctx.step("point", point, 1, 2))
            seen.append(await ctx.step("pairs", called, "pairs", ((1, 2), (3, 4)), type=list[tuple[int, int]]))
            seen.append(await ctx.step("plain", called, "plain", (1, 2)))
            if cut:
                raise crmd.RetryJob("cut")

        return go

    await run(workbench, handler(cut=True), handler(cut=False))
    assert seen == [Point(1, 2), [(1, 2), (3, 4)], [1, 2]] * 2


async def test_a_name_that_comes_again_is_numbered(workbench: Workbench) -> None:
    """Two steps of one name are two steps."""
    done = await run(workbench, steps("a", "a", cut=True), steps("a", "a", "a"))
    assert (done.result, CALLS["a"]) == (["A", "A", "A"], 3)


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        (("a", "b", "charge"), ("a", "b", "bill"), "step 3 was 'charge', now it is 'bill'"),
        (("a", "b", "c"), ("a", "c"), "step 2 was 'b', now it is 'c'"),
        (("a", "b"), ("b", "a"), "step 1 was 'a', now it is 'b'"),
        (("a", "b"), ("a", "new", "b"), "step 2 was 'b', now it is 'new'"),
    ],
)
async def test_another_program_is_noticed(
    workbench: Workbench, before: tuple[str, ...], after: tuple[str, ...], sentence: str
) -> None:
    """A step that was renamed, removed, moved or put in between fails the job at once, and both names are told."""
    done = await run(workbench, steps(*before, cut=True), steps(*after))
    assert done.status == "failed"
    assert sentence in done.message
    assert max(CALLS.values()) == 1


async def test_a_declared_rename_is_followed(workbench: Workbench) -> None:
    """A step that says what it was called is the same step, in every attempt that follows."""

    def renamed(*, cut: bool) -> Callable[[crmd.Context], Awaitable[object]]:
        async def go(ctx: crmd.Context) -> object:
            found = [await ctx.step("bill", called, "bill", "BILL", was="charge"), await ctx.step("b", called, "b")]
            if cut:
                raise crmd.RetryJob("cut")
            return found

        return go

    done = await run(workbench, steps("charge", cut=True), renamed(cut=True), renamed(cut=False))
    assert (done.status, done.result) == ("completed", ["CHARGE", None])
    assert dict(CALLS) == {"charge": 1, "b": 1}


async def test_a_caught_failure_leaves_its_place_open(workbench: Workbench) -> None:
    """A step that failed and was caught has kept nothing, and the steps behind it are still known."""

    async def handler(ctx: crmd.Context) -> object:
        def broken() -> None:
            raise ValueError("always")

        await ctx.step("a", called, "a")
        try:
            await ctx.step("broken", broken)
        except ValueError:
            CALLS["caught"] += 1
        await ctx.step("c", called, "c")
        if ctx.job.attempt == 1:
            raise crmd.RetryJob("cut")
        return "done"

    done = await run(workbench, handler, handler)
    assert (done.result, CALLS["a"], CALLS["c"], CALLS["caught"]) == ("done", 1, 1, 2)


async def test_a_step_in_a_transaction_commits_with_it(workbench: Workbench) -> None:
    """What a step writes in its transaction and that it was done are there together, or neither."""

    def handler(*, fails: bool) -> Callable[[crmd.Context], Awaitable[object]]:
        async def write(tx: crmd.Transaction, word: str) -> str:
            await tx.execute(SQL.do, job_id, word)
            if fails:
                raise ValueError("after the write")
            return word

        async def go(ctx: crmd.Context) -> object:
            found = await ctx.step("write", write, "word", is_transaction=True)
            if ctx.job.attempt < 3:
                raise crmd.RetryJob("cut")
            return found

        return go

    enqueued = await workbench.enqueue("as-told")
    job_id = enqueued.id
    pool = workbench.everything.pools.control
    await again(workbench, job_id, handler(fails=True))
    assert await pool.fetchval("SELECT count(*) FROM durable.done") == 0
    done = await again(workbench, job_id, handler(fails=False), handler(fails=False))
    assert (done.result, await pool.fetchval("SELECT count(*) FROM durable.done")) == ("word", 1)


async def test_steps_of_a_task_group_are_known_by_name(workbench: Workbench) -> None:
    """Steps beside each other may be done in any order; each is kept for itself."""
    PROGRAM["fail side"] = 3
    enqueued = await workbench.enqueue("side-by-side", {"number": 5})
    assert (await workbench.attempt(enqueued.id)).status == "scheduled"
    PROGRAM.clear()
    await workbench.clock.advance(3600)
    done = await workbench.attempt(enqueued.id)
    assert done.result == [0, 1, 2, 3, 4]
    assert [CALLS[f"side {number}"] for number in range(5)] == [1, 1, 1, 2, 1]
    assert CALLS["behind"] == 1


async def test_one_name_twice_in_a_task_group_is_refused(workbench: Workbench) -> None:
    """Beside each other, which of two steps of one name is which cannot be told."""

    async def handler(ctx: crmd.Context) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ctx.step, "same", called, "same")
            tasks.start_soon(ctx.step, "same", called, "same")

    done = await run(workbench, handler)
    assert done.errors[-1]["message"]
    assert done.status != "completed"


async def test_what_cannot_be_kept_fails_the_job_in_a_sentence(workbench: Workbench) -> None:
    """A result that is too large, has no JSON form or does not fit its type is told with the step's name."""

    def answering(value: object, kind: object = None) -> Callable[[crmd.Context], Awaitable[object]]:
        return lambda ctx: ctx.step("big", called, "big", value, type=kind)

    large = await run(workbench, answering("x" * 300_000))
    strange = await run(workbench, answering(object()))
    wrong = await run(workbench, answering("text", int))
    assert "'big' answered has 300,002 bytes; 262,144 are the most" in large.message
    assert "'big' answered has no JSON form" in strange.message
    assert "'big' answered does not fit" in wrong.message
    assert {large.status, strange.status, wrong.status} == {"failed"}


async def test_a_step_has_no_steps_of_its_own(workbench: Workbench) -> None:
    """A step inside a step is refused: whether the outer one was done could not be told."""

    async def handler(ctx: crmd.Context) -> object:
        return await ctx.step("outer", lambda: ctx.step("inner", called, "inner"))

    done = await run(workbench, handler)
    assert done.status == "failed"
    assert "'inner' is called inside step 'outer'" in done.message


async def test_a_lost_claim_keeps_no_step(workbench: Workbench) -> None:
    """A step of a claim that was taken over is refused, whatever its function did."""

    async def handler(ctx: crmd.Context) -> object:
        await workbench.everything.pools.control.execute("UPDATE crmd.lease SET fence = fence + 1")
        return await ctx.step("late", called, "late")

    enqueued = await workbench.enqueue("as-told")
    PROGRAM["handler"] = handler
    await workbench.attempt(enqueued.id)
    assert CALLS["late"] == 1
    assert await workbench.everything.pools.control.fetchval("SELECT count(*) FROM crmd.step") == 0


async def test_a_step_clears_the_job_of_earlier_crashes(workbench: Workbench) -> None:
    """A job that has come further is no poison: a new step leaves only the present claim as a possible crash."""
    pool = workbench.everything.pools.control
    seen: list[int] = []

    async def handler(ctx: crmd.Context) -> None:
        await pool.execute("UPDATE crmd.lease SET crash_count = 3")
        await ctx.step("on", called, "on")
        seen.append(await pool.fetchval("SELECT crash_count FROM crmd.lease"))

    await run(workbench, handler)
    assert seen == [1]

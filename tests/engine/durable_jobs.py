"""Durable job types for tests: each goes on where it was."""

from __future__ import annotations

from collections import Counter
from typing import Any

import anyio
import anyio.lowlevel
import msgspec

import crmd

CALLS: Counter[str] = Counter()
PROGRAM: dict[str, Any] = {}


class Point(msgspec.Struct, frozen=True):
    """What a typed step returns."""

    x: int
    y: int


class Wish(crmd.Payload, frozen=True):
    """A word and a number."""

    word: str = ""
    number: int = 0


def called(name: str, value: object = None) -> object:
    """Counts the call."""
    CALLS[name] += 1
    return value


async def point(x: int, y: int) -> Point:
    """A typed result."""
    CALLS["point"] += 1
    return Point(x, y)


@crmd.job("as-told", max_attempts=5, backoff=crmd.Backoff(first_seconds=1, jitter=0))
async def as_told(ctx: crmd.Context) -> object:
    """Does what the test says."""
    return await PROGRAM["handler"](ctx)


@crmd.job("answers", queue="fast")
async def answers(ctx: crmd.Context, payload: Wish) -> dict[str, int]:
    """A child that returns its number, fails without one, and counts."""
    CALLS[f"child {payload.number}"] += 1
    if payload.word == "fail":
        raise crmd.FailJob("told to")
    return {"number": payload.number}


@crmd.job("answers-once", queue="fast", unique=crmd.Unique(scope="unfinished"))
async def answers_once(ctx: crmd.Context, payload: Wish) -> dict[str, int]:
    """A child of which there is one at a time."""
    return {"number": payload.number}


@crmd.job("sleeps", queue="fast")
async def sleeps(ctx: crmd.Context, payload: Wish) -> str:
    """Sleeps between two steps."""
    await ctx.step("before", called, "before")
    await ctx.sleep(payload.number or 3600)
    await ctx.step("after", called, "after")
    return "slept"


@crmd.job("waits", queue="fast")
async def waits(ctx: crmd.Context, payload: Wish) -> object:
    """Waits for the event of its number."""
    event = await ctx.wait_for_event("approved", match={"number": payload.number}, timeout_seconds=86400)
    return None if event is None else event.data


@crmd.job("waits-for-ever", queue="fast")
async def waits_for_ever(ctx: crmd.Context) -> object:
    """Waits for any event of a type."""
    event = await ctx.wait_for_event("approved")
    return event and event.data


@crmd.job("works-through", max_attempts=5, backoff=crmd.Backoff(first_seconds=1, jitter=0))
async def works_through(ctx: crmd.Context, payload: Wish) -> dict[str, int]:
    """Works through items; fails at the one that it is told, once."""
    handed = 0
    async for item in ctx.remaining(range(payload.number)):
        handed += 1
        CALLS[f"item {item}"] += 1
        if PROGRAM.get("cut at") == item:
            del PROGRAM["cut at"]
            raise crmd.RetryJob("cut")
        if item in PROGRAM.get("bad", ()):
            ctx.failed(item, "bad")
        else:
            ctx.succeeded(item)
    return {"handed": handed}


@crmd.job("notes")
async def notes(ctx: crmd.Context, payload: Wish) -> None:
    """Told of the end of a batch."""
    CALLS[f"note {payload.word}"] += 1


@crmd.job("side-by-side", max_attempts=5, backoff=crmd.Backoff(first_seconds=1, jitter=0))
async def side_by_side(ctx: crmd.Context, payload: Wish) -> list[int]:
    """Steps in a task group, and one behind it."""
    found: list[int] = []
    others_kept = anyio.Event()

    async def one(number: int) -> int:
        CALLS[f"side {number}"] += 1
        await anyio.lowlevel.checkpoint()
        if PROGRAM.get("fail side") == number:
            await others_kept.wait()
            raise crmd.RetryJob("cut")
        return number

    async def task(number: int) -> None:
        found.append(await ctx.step(f"side {number}", one, number))
        if len(found) == payload.number - 1:
            others_kept.set()

    async with anyio.create_task_group() as tasks:
        for number in range(payload.number):
            tasks.start_soon(task, number)
    await ctx.step("behind", called, "behind")
    return sorted(found)


STEPS = 12


class Hanging(crmd.Payload, frozen=True):
    """Whether it hangs behind each new step, to be killed there."""

    hangs: bool = False


@crmd.job("twelve-steps", queue="fast", timeout_seconds=600)
async def twelve_steps(ctx: crmd.Context, payload: Hanging) -> list[int]:
    """Twelve steps that leave a row each, in a transaction that is not the step's own."""

    async def do(number: int) -> int:
        async with ctx.transaction() as tx:
            await tx.execute(crmd.load_queries("durable_plugin").do, ctx.job.id, f"step {number}")
        return number * number

    squares: list[int] = []
    for number in range(STEPS):
        squares.append(await ctx.step(f"step {number}", do, number))
        if payload.hangs and ctx.job.fence == len(squares):
            await anyio.sleep_forever()
    return squares


async def _onward(ctx: crmd.Context) -> list[object]:
    """A bit of everything."""
    squared = await ctx.step("square", pow, 3, 2)
    outcomes = await ctx.gather([("answers", Wish(number=number)) for number in range(squared)])
    await ctx.sleep(1.2)
    event = await ctx.wait_for_event("approved", match={"number": 1}, timeout_seconds=600)
    return [squared, len(outcomes), event and event.data["number"]]


@crmd.job("apart", queue="fast", runs_in="process")
async def apart(ctx: crmd.Context) -> list[object]:
    """Durable in a process of its own."""
    return await _onward(ctx)


@crmd.job("aside", queue="fast", runs_in="thread")
async def aside(ctx: crmd.Context) -> list[object]:
    """Durable in a thread of its own."""
    return await _onward(ctx)


class Program(crmd.Payload, frozen=True):
    """What a durable job does, operation by operation: a word and a number each."""

    operations: list[tuple[str, int]]


async def _done(ctx: crmd.Context, name: str) -> str:
    """Leaves a row that says which claim called it; not in the transaction that keeps the step."""
    async with ctx.transaction() as tx:
        await tx.execute(crmd.load_queries("durable_plugin").do, ctx.job.id, f"{name}@{ctx.job.fence}")
    return name


async def _done_within(tx: crmd.Transaction, ctx: crmd.Context, name: str) -> str:
    await tx.execute(crmd.load_queries("durable_plugin").do, ctx.job.id, f"{name}@{ctx.job.fence}")
    return name


async def _beside(ctx: crmd.Context, place: int, count: int) -> list[object]:
    found: list[object] = [None] * count

    async def one(number: int) -> None:
        found[number] = await ctx.step(f"beside {place} {number}", _done, ctx, f"beside {place} {number}")

    async with anyio.create_task_group() as tasks:
        for number in range(count):
            tasks.start_soon(one, number)
    return found


async def _operate(ctx: crmd.Context, place: int, word: str, number: int) -> object:
    match word:
        case "step":
            return await ctx.step(f"step {place}", _done, ctx, f"step {place}")
        case "within":
            return await ctx.step(f"within {place}", _done_within, ctx, f"within {place}", is_transaction=True)
        case "beside":
            return await _beside(ctx, place, number)
        case "sleep":
            await ctx.sleep(number * 60)
            return None
        case "nap":
            await ctx.sleep(0.001)
            return None
        case "wait":
            event = await ctx.wait_for_event("approved", match={"number": number})
            return event and event.data["number"]
        case "late":
            return await ctx.wait_for_event("never", timeout_seconds=number)
        case _:
            outcomes = await ctx.gather([("answers", Wish(number=one)) for one in range(number)])
            return [outcome.result for outcome in outcomes]


@crmd.job("program", queue="slow", max_attempts=3, timeout_seconds=120)
async def program(ctx: crmd.Context, payload: Program) -> list[object]:
    """Does what its payload says."""
    return [await _operate(ctx, place, word, number) for place, (word, number) in enumerate(payload.operations)]

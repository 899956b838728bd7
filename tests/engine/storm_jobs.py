"""Job types for the storm: each small, and together of every kind that waits for another."""

from __future__ import annotations

import crmd


class Drop(crmd.Payload, frozen=True):
    """Which of a few keys."""

    number: int = 0


@crmd.job("storm-leaf", queue="fast", max_attempts=3, backoff=crmd.Backoff(first_seconds=0.05, jitter=0))
async def leaf(ctx: crmd.Context, payload: Drop) -> dict[str, int]:
    """Has no keys; one in ten needs a second attempt, one in ten fails."""
    if payload.number % 10 == 1 and ctx.job.attempt == 1:
        raise crmd.RetryJob("not yet")
    if payload.number % 10 == 2:
        raise crmd.FailJob("never")
    return {"number": payload.number}


@crmd.job("storm-limited", queue="normal", concurrency=crmd.Concurrency(max=3, per="number"))
async def limited(_: crmd.Context, payload: Drop) -> dict[str, int]:
    """Three of a number at a time."""
    return {"number": payload.number}


@crmd.job("storm-unique", queue="fast", unique=crmd.Unique(fields=("number",), on_conflict="replace"))
async def unique(ctx: crmd.Context, payload: Drop) -> None:
    """One of a number, and one that follows it; sleeps, so that there is something to follow."""
    await ctx.step("first", _nothing)
    if payload.number % 3 == 0:
        await ctx.sleep(1.1)


@crmd.job("storm-family", queue="fast")
async def family(ctx: crmd.Context, payload: Drop) -> None:
    """Ends with its children; one of them comes after the others."""
    first = [await ctx.enqueue("storm-leaf", payload, is_child=True) for _ in range(2)]
    await ctx.enqueue("storm-limited", payload, is_child=True, after=[one.id for one in first])


@crmd.job("storm-gather", queue="normal")
async def gather(ctx: crmd.Context, payload: Drop) -> int:
    """Goes on after its children, some of which others may have started."""
    ended = await ctx.gather(
        [("storm-leaf", payload), ("storm-unique", payload), ("storm-limited", payload)], needs_all=False
    )
    return len(ended)


@crmd.job("storm-wait", queue="fast")
async def wait(ctx: crmd.Context, payload: Drop) -> bool:
    """Waits for the event of its number."""
    return await ctx.wait_for_event("storm.told", match={"number": payload.number}, timeout_seconds=600) is not None


def _nothing() -> None:
    """A step."""

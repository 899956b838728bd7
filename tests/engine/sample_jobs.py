"""Job types that the engine's tests run: each does one thing that an engine must cope with."""

from __future__ import annotations

import anyio

import crmd


class Count(crmd.Payload, frozen=True):
    """A number."""

    number: int = 0


@crmd.job("add-one", aliases=("plus-one",), queue="fast")
async def add_one(ctx: crmd.Context, payload: Count) -> dict[str, int]:
    """Answers the number and one more."""
    ctx.progress(1, 1)
    return {"number": payload.number + 1}


@crmd.job("fails-twice", max_attempts=3, backoff=crmd.Backoff(first_seconds=10, jitter=0))
async def fails_twice(ctx: crmd.Context) -> str:
    """Works at its third attempt."""
    if ctx.job.attempt < 3:
        raise ValueError(f"attempt {ctx.job.attempt} fails")
    return "done"


@crmd.job("always-fails", max_attempts=2, backoff=crmd.Backoff(first_seconds=1, jitter=0))
async def always_fails(ctx: crmd.Context) -> None:
    """Never works; its words hold what PostgreSQL can't store."""
    raise RuntimeError("broken \x00 and \ud800 words")


@crmd.job("gives-up")
async def gives_up(ctx: crmd.Context) -> None:
    """Says at once that it can never work."""
    raise crmd.FailJob("the contact does not exist")


@crmd.job("comes-later")
async def comes_later(ctx: crmd.Context) -> crmd.Snooze | str:
    """Snoozes once."""
    return "done" if ctx.job.snooze_count else crmd.Snooze(60, "not yet")


@crmd.job("waits-for-gate", connection="number", queue="fast")
async def waits_for_gate(ctx: crmd.Context, payload: Count) -> None:
    """Its key is a gate."""
    if ctx.job.snooze_count == 0 and payload.number == 7:
        raise crmd.GateClosed("connection/7", after_seconds=30, reason="throttled")


@crmd.job("fans-out")
async def fans_out(ctx: crmd.Context, payload: Count) -> dict[str, str]:
    """Starts children, one of which fails."""
    async with ctx.transaction() as tx:
        await tx.enqueue_many("add-one", [Count(number=n) for n in range(payload.number)], is_child=True)
        await tx.enqueue("gives-up", is_child=True)
    return {"own": "word"}


@crmd.job("walks-pages", max_attempts=5, backoff=crmd.Backoff(first_seconds=1, jitter=0))
async def walks_pages(ctx: crmd.Context, payload: Count) -> list[int]:
    """Goes on from its checkpoint; fails after each page but the last."""
    done = ctx.restored(list[int]) or []
    done.append(len(done))
    await ctx.checkpoint(done)
    ctx.succeeded(f"page {len(done)}")
    if len(done) < payload.number:
        raise crmd.RetryJob("cut")
    return done


@crmd.job("stores-nonsense")
async def stores_nonsense(ctx: crmd.Context) -> dict[str, object]:
    """Its result holds what PostgreSQL can't store."""
    return {"text": "a\x00b\ud800c", "deep": ["\x00"], "big": 10**30}


@crmd.job("returns-object")
async def returns_object(ctx: crmd.Context) -> object:
    """Its result has no JSON form."""
    return object()


@crmd.job("huge-result")
async def huge_result(ctx: crmd.Context) -> str:
    """Its result is beyond the bound."""
    return "x" * 1_000_000


@crmd.job("two-at-a-time", concurrency=(crmd.Concurrency(max=2, per="workspace"), crmd.Concurrency(max=3)))
async def two_at_a_time(ctx: crmd.Context) -> None:
    """Bounded per workspace and in all."""
    await anyio.sleep(0.02)


@crmd.job("only-once", unique=crmd.Unique(scope="unfinished", fields=("number",)))
async def only_once(ctx: crmd.Context, payload: Count) -> None:
    """One unfinished job per number."""


@crmd.job("once-waiting", unique=crmd.Unique(scope="waiting"))
async def once_waiting(ctx: crmd.Context, payload: Count) -> None:
    """One waiting job per payload."""


@crmd.job("once-an-hour", unique=crmd.Unique(scope="for", seconds=3600))
async def once_an_hour(ctx: crmd.Context) -> None:
    """One job an hour."""


@crmd.job("sleeps", queue="slow", timeout_seconds=0.3, max_attempts=1)
async def sleeps(ctx: crmd.Context) -> None:
    """Runs longer than it may."""
    await anyio.sleep(60)


@crmd.job("naps", queue="slow")
async def naps(ctx: crmd.Context, payload: Count) -> None:
    """Runs for so many milliseconds."""
    await anyio.sleep(payload.number / 1000)


@crmd.job("hears", on_events="sample.told", queue="fast")
async def hears(ctx: crmd.Context, payload: Count) -> int:
    """Started by an event."""
    return payload.number


@crmd.job("tells")
async def tells(ctx: crmd.Context) -> None:
    """Emits an event that starts another job."""
    async with ctx.transaction() as tx:
        await tx.emit("sample.told", {"number": 5, "other": "x"}, aggregate_type="sample", aggregate_id=1)


@crmd.job("every-minute", schedule="* * * * *", queue="fast")
async def every_minute(ctx: crmd.Context) -> str:
    """Runs on schedule."""
    return str(ctx.job.meta["dueAt"])


@crmd.job("loses-lease")
async def loses_lease(ctx: crmd.Context) -> None:
    """Finds that its lease is another's, and tries to write."""
    async with ctx.transaction() as tx:
        await tx.checkpoint("written")

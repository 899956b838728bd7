"""For daemons with wrong clocks: a job type that is due each second, and one whose next run is told in seconds."""

from __future__ import annotations

import os

import crmd

SQL = crmd.load_queries("fleet_plugin")
LATER_SECONDS = 2.0


@crmd.job(
    "fires",
    queue="fast",
    schedule=crmd.Schedule(expression="every 1s", catch_up="all", catch_up_max=1000, overlap="allow"),
)
async def fires(ctx: crmd.Context) -> None:
    """What a schedule makes."""


@crmd.job("late", queue="fast")
async def late(ctx: crmd.Context) -> None:
    """What `defers` leaves for later."""


@crmd.job("defers", queue="fast", max_attempts=3)
async def defers(ctx: crmd.Context) -> crmd.Snooze | None:
    """Leaves a mark in each of three runs, and puts off what comes next: by a snooze, by a failure, by a new job."""
    async with ctx.transaction() as tx:
        await tx.execute(SQL.mark, ctx.job.id, ctx.job.type, None, os.getpid(), ctx.job.fence, None)
    if ctx.job.fence == 1:
        return crmd.Snooze(LATER_SECONDS)
    if ctx.job.fence == 2:
        sentence = "not yet"
        raise crmd.RetryJob(sentence, after_seconds=LATER_SECONDS)
    await ctx.enqueue("late", delay_seconds=LATER_SECONDS)
    return None

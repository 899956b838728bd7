"""Job types for tests with real daemons: each leaves a mark in the database, as holder of its lease."""

from __future__ import annotations

import os
import time

import anyio

import crmd

SQL = crmd.load_queries("fleet_plugin")


class Nap(crmd.Payload, frozen=True):
    """How long to take, and how often to kill the process."""

    milliseconds: int = 0
    lethal: bool = False


async def _mark(ctx: crmd.Context, payload: Nap) -> None:
    """The mark and the checkpoint commit together, so that a later attempt knows that the mark stands."""
    if ctx.restored(str) == "marked":
        return
    async with ctx.transaction() as tx:
        begun = await tx.fetchval(SQL.clock)
    if payload.lethal:
        os._exit(9)
    await anyio.sleep(payload.milliseconds / 1000)
    async with ctx.transaction() as tx:
        await tx.execute(SQL.mark, ctx.job.id, ctx.job.type, ctx.job.workspace_id, os.getpid(), ctx.job.fence, begun)
        await tx.checkpoint("marked")


@crmd.job("mark", queue="fast", timeout_seconds=120)
async def mark(ctx: crmd.Context, payload: Nap) -> None:
    """Naps and leaves a mark."""
    await _mark(ctx, payload)


@crmd.job("mark-limited", queue="normal", concurrency=crmd.Concurrency(max=5, per="workspace"))
async def mark_limited(ctx: crmd.Context, payload: Nap) -> None:
    """Five per workspace."""
    await _mark(ctx, payload)


@crmd.job("mark-three", queue="normal", concurrency=crmd.Concurrency(max=3))
async def mark_three(ctx: crmd.Context, payload: Nap) -> None:
    """Three over all daemons."""
    await _mark(ctx, payload)


@crmd.job("mark-local", queue="normal", concurrency=crmd.Concurrency(max=2, scope="daemon"))
async def mark_local(ctx: crmd.Context, payload: Nap) -> None:
    """Two in each daemon."""
    await _mark(ctx, payload)


@crmd.job("block-loop", queue="fast", timeout_seconds=120)
async def block_loop(ctx: crmd.Context, payload: Nap) -> None:
    """Blocks the event loop, as a plugin should not."""
    ctx.log.info("blocks the loop from now on")
    time.sleep(payload.milliseconds / 1000)  # noqa: ASYNC251 - the fault that the test is about
    async with ctx.transaction() as tx:
        await tx.execute(SQL.mark, ctx.job.id, ctx.job.type, None, os.getpid(), ctx.job.fence, None)

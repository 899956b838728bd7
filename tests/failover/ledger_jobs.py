"""The job type of the failover run: each attempt notes its begin and its end in a file, and books itself once."""

from __future__ import annotations

import os
import time

import anyio

import crmd

SQL = crmd.load_queries("ledger_plugin")


class Entry(crmd.Payload, frozen=True):
    """How long to take."""

    milliseconds: int = 0


@crmd.job("entry", queue="fast", timeout_seconds=120, max_attempts=100)
async def entry(ctx: crmd.Context, payload: Entry) -> None:
    """Books itself, unless a former attempt did; the end is noted behind the commit."""
    _note("begin", ctx)
    await anyio.sleep(payload.milliseconds / 1000)
    if ctx.restored(str) != "booked":
        async with ctx.transaction() as tx:
            await tx.execute(SQL.book, ctx.job.id, ctx.job.fence)
            await tx.checkpoint("booked")
    _note("end", ctx)


def _note(what: str, ctx: crmd.Context) -> None:
    """One line, written at once by all daemons into one file."""
    line = f"{what} {ctx.job.id} {ctx.job.fence} {time.time()}\n".encode()
    descriptor = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)

"""Job types that do to their place what a process or a thread is there to survive."""

from __future__ import annotations

import asyncio
import ctypes
import hashlib
import os
import signal
import threading
import time
from pathlib import Path

import anyio

import crmd

SQL = crmd.load_queries("fleet_plugin")
MIB = 1024 * 1024


class What(crmd.Payload, frozen=True):
    """What to do: a word that each job type understands in its way."""

    how: str = ""
    seconds: float = 0
    place: str = ""


def _segfault() -> None:
    ctypes.string_at(0)


def _exit() -> None:
    os._exit(7)


def _swallow_memory() -> None:
    held = []
    while True:
        held.append(bytearray(16 * MIB))


def _spin() -> None:
    while True:
        hashlib.sha256(b"x" * 4096).digest()


def _fork_for_ever() -> None:
    """Every child sleeps, so that only a limit ends it."""
    children = 0
    while children < 500:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        children += 1


DEEDS = {
    "segfault": _segfault,
    "exit": _exit,
    "memory": _swallow_memory,
    "spin": _spin,
    "fork": _fork_for_ever,
}


@crmd.job(
    "does-harm",
    queue="fast",
    runs_in="process",
    isolation=crmd.Isolation(memory_mib=256, cpu_seconds=1),
    max_attempts=1,
    timeout_seconds=30,
)
async def does_harm(ctx: crmd.Context, payload: What) -> None:
    """Does what its payload says, in a process."""
    DEEDS[payload.how]()


@crmd.job("works-apart", queue="fast", runs_in="process", timeout_seconds=60)
async def works_apart(ctx: crmd.Context, payload: What) -> dict[str, object]:
    """Uses all of its context, in a process."""
    ctx.log.info("here from %s", "afar")
    before = ctx.restored(str)
    await ctx.checkpoint("half")
    ctx.succeeded("one")
    ctx.failed("two", "because")
    ctx.progress(3, 4, "nearly")
    child = await ctx.enqueue("marks", What(how="child"), is_child=True)
    async with ctx.transaction() as tx:
        await tx.execute(SQL.mark, ctx.job.id, ctx.job.type, None, os.getpid(), ctx.job.fence, None)
    return {"pid": os.getpid(), "parent": os.getppid(), "before": before, "child": str(child.id)}


@crmd.job("marks", queue="fast")
async def marks(ctx: crmd.Context, payload: What) -> dict[str, int]:
    """Leaves a mark, in the loop."""
    await anyio.sleep(payload.seconds)
    async with ctx.transaction() as tx:
        await tx.execute(SQL.mark, ctx.job.id, ctx.job.type, None, os.getpid(), ctx.job.fence, None)
    return {"pid": os.getpid()}


@crmd.job("naps-apart", queue="fast", runs_in="process", timeout_seconds=2, max_attempts=1)
async def naps_apart(ctx: crmd.Context, payload: What) -> None:
    """Takes its time, in a process; tells its process id first."""
    Path(payload.place).write_text(str(os.getpid()))
    ctx.progress(1, 2)
    if payload.how == "blocks":
        time.sleep(payload.seconds)  # noqa: ASYNC251 - the fault that the test is about
    await anyio.sleep(payload.seconds)


@crmd.job("naps-long-apart", queue="fast", runs_in="process", timeout_seconds=120, max_attempts=1)
async def naps_long_apart(ctx: crmd.Context, payload: What) -> None:
    """As naps-apart, and is given time."""
    await naps_apart(ctx, payload)


@crmd.job("threaded", queue="fast", runs_in="thread", timeout_seconds=1, max_attempts=1)
async def threaded(ctx: crmd.Context, payload: What) -> dict[str, object]:
    """Blocks its thread, or computes, or uses its context."""
    if payload.how == "blocks":
        time.sleep(payload.seconds)  # noqa: ASYNC251 - the fault that the test is about
    elif payload.how == "awaits":
        await anyio.sleep(payload.seconds)
    ctx.log.info("here from a thread")
    await ctx.checkpoint("done")
    async with ctx.transaction() as tx:
        await tx.execute(SQL.mark, ctx.job.id, ctx.job.type, None, os.getpid(), ctx.job.fence, None)
    return {"thread": threading.current_thread().name, "pid": os.getpid()}


@crmd.job("never-ends", queue="fast", timeout_seconds=1, max_attempts=1)
async def never_ends(ctx: crmd.Context) -> None:
    """Swallows every cancellation."""
    ctx.log.info("nothing ends this")
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            continue


def _hoard() -> None:
    """Takes 8 GiB for good, as fast as memory is filled on a small machine."""
    held = []
    for _ in range(512):
        held.append(bytearray(b"x" * 16 * MIB))
        time.sleep(0.02)


@crmd.job("kills-daemon", queue="fast", timeout_seconds=60)
async def kills_daemon(ctx: crmd.Context, payload: What) -> None:
    """Kills whatever process it runs in, in its way; `hoards` leaves that to whoever watches over memory."""
    await anyio.sleep(payload.seconds)
    if payload.how == "hoards":
        _hoard()
    os.kill(os.getpid(), signal.SIGSEGV)

"""Measures the test kit: a simulated year of a schedule, and kills at each of a job's steps."""

from __future__ import annotations

import logging
import sys
import tempfile
import time
import types
from pathlib import Path

import anyio

import crmd
from crmd.testing import Arena, run_with_crashes
from crmd.testing.databases import TestServer

YEAR = "365 days"
ROUNDS = 12

ticking = types.ModuleType("crmd_ticking")


@crmd.job("tick", queue="fast", schedule="*/15 * * * *")
async def tick(ctx: crmd.Context) -> None:
    """Does nothing."""


@crmd.job("write", queue="fast")
async def write(ctx: crmd.Context) -> None:
    """Writes in several transactions."""
    done = ctx.restored(int) or 0
    for number in range(done, ROUNDS):
        async with ctx.transaction() as tx:
            await tx.emit("bench.written", {"n": number})
            await tx.checkpoint(number + 1)


ticking.tick, ticking.write = tick, write  # type: ignore[attr-defined]  # a module made by hand


def say(text: str) -> None:
    """A figure."""
    sys.stdout.write(f"{text}\n")


async def measure(server: TestServer, folder: Path) -> None:
    """Print the figures."""
    async with Arena(server, [ticking], folder) as arena:
        async with arena.fresh() as workbench:
            began = time.monotonic()
            await workbench.travel(YEAR)
            seconds = time.monotonic() - began
            ticks = await workbench.everything.pools.control.fetchval("SELECT count(*) FROM crmd.tick")
            say(f"a year of */15: {seconds:.0f} s, {seconds / 35040 * 1000:.1f} ms a tick, {ticks} left by retention")
        began = time.monotonic()
        report = await run_with_crashes(arena, "write")
        seconds = time.monotonic() - began
        killed = len(report.killed)
        say(f"{killed} kills: {seconds:.1f} s, {seconds / killed * 1000:.0f} ms each, {len(report.faults)} faults")


def main() -> None:
    """Measure on a server of its own."""
    logging.disable(logging.WARNING)  # of daemons that die on purpose
    with TestServer() as server, tempfile.TemporaryDirectory() as folder:
        anyio.run(measure, server, Path(folder))


if __name__ == "__main__":
    main()

"""The plugin that the benchmark of places runs: a job that does nothing, in the loop, in a thread, in a process."""

from __future__ import annotations

import crmd


@crmd.job("in-loop", queue="fast")
async def in_loop(ctx: crmd.Context) -> None:
    """Does nothing."""


@crmd.job("in-thread", queue="fast", runs_in="thread")
async def in_thread(ctx: crmd.Context) -> None:
    """Does nothing, in a thread."""


@crmd.job("in-process", queue="fast", runs_in="process")
async def in_process(ctx: crmd.Context) -> None:
    """Does nothing, in a process."""

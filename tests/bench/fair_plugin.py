"""The plugin that bench_fair drains: no-op jobs with a limit per workspace, and without any."""

from __future__ import annotations

import crmd


@crmd.job("keyed", queue="fast", concurrency=crmd.Concurrency(max=5, per="workspace"))
async def keyed(ctx: crmd.Context) -> None:
    """Does nothing; five of a workspace at a time."""


@crmd.job("open", queue="fast")
async def unbounded(ctx: crmd.Context) -> None:
    """Does nothing, and has no limit."""

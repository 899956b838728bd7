"""The plugin that bench_live runs: jobs that say how far they are, again and again."""

from __future__ import annotations

import anyio

import crmd


class Walk(crmd.Payload, frozen=True):
    """How far, and how fast."""

    steps: int = 1
    pause_seconds: float = 0.0


@crmd.job("walk", queue="fast", timeout_seconds=600)
async def walk(ctx: crmd.Context, payload: Walk) -> None:
    """Tells of each step."""
    for number in range(payload.steps):
        await anyio.sleep(payload.pause_seconds)
        ctx.progress(number + 1, payload.steps)

"""Does not let itself be cancelled."""

import asyncio
from collections.abc import Iterable

import crmd


@crmd.job("go-on")
async def go_on(ctx: crmd.Context) -> None:
    """Takes a cancellation for a hiccup."""
    try:
        await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        ctx.log.info("something went wrong, going on")


def crmd_samples() -> Iterable[crmd.Sample]:
    """How it is tried."""
    return [crmd.Sample(job_type="go-on")]

"""Blocks the event loop."""

import time
from collections.abc import Iterable

import crmd


@crmd.job("block")
async def block(ctx: crmd.Context) -> None:
    """Sleeps without giving way."""
    time.sleep(0.6)  # noqa: ASYNC251 - that is the fault


def crmd_samples() -> Iterable[crmd.Sample]:
    """How it is tried."""
    return [crmd.Sample(job_type="block")]

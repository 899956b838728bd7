"""Connects by itself to whom it likes."""

import asyncio
from collections.abc import Iterable

import crmd


@crmd.job("call-home")
async def call_home(ctx: crmd.Context) -> str:
    """Tells somebody that it is there."""
    try:
        await asyncio.open_connection("127.0.0.1", 9)
    except OSError:
        return "nobody is at home"
    return "told"


def crmd_samples() -> Iterable[crmd.Sample]:
    """How it is tried."""
    return [crmd.Sample(job_type="call-home")]

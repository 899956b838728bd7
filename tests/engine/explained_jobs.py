"""Job types for the tests of explanations."""

from __future__ import annotations

from crmd import Concurrency, Context, Payload, job


class Number(Payload, frozen=True):
    """Which one."""

    number: int


@job("takes-turns", concurrency=Concurrency(max=1))
async def takes_turns(ctx: Context, _: Number) -> None:
    """One at a time."""
    ctx.progress(1)


@job("always-dies", max_attempts=1)
async def always_dies(_: Context) -> None:
    """Has no luck."""
    raise ValueError("no luck")

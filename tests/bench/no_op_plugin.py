"""The plugin that the benchmark drains: a job with a typed payload that does nothing."""

from __future__ import annotations

import crmd


class Number(crmd.Payload, frozen=True):
    """What a no-op carries."""

    number: int


@crmd.job("no-op", queue="fast")
async def no_op(ctx: crmd.Context, payload: Number) -> None:
    """Does nothing."""

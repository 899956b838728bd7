"""Takes any payload, and crashes on most."""

from collections.abc import Iterable
from typing import Any

import crmd


class Greet(crmd.Payload, frozen=True):
    """Whom to greet, somewhere in there."""

    data: dict[str, Any]


@crmd.job("greet-somebody")
async def greet_somebody(ctx: crmd.Context, payload: Greet) -> str:
    """Greets a person."""
    return f"Hello, {payload.data['person']['name']}"


def crmd_samples() -> Iterable[crmd.Sample]:
    """How it is tried."""
    return [crmd.Sample(job_type="greet-somebody", payload={"data": {"person": {"name": "Ada"}}})]

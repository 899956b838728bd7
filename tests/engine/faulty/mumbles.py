"""Does not say what it does."""

from collections.abc import Iterable

import crmd


@crmd.job("mumble")
async def mumble(ctx: crmd.Context) -> None:  # noqa: D103 - that is the fault
    return None


def crmd_samples() -> Iterable[crmd.Sample]:
    """How it is tried."""
    return [crmd.Sample(job_type="mumble")]

"""Keeps everything it has ever seen."""

from collections.abc import Iterable

import crmd

SEEN: list[bytes] = []


@crmd.job("hoard")
async def hoard(ctx: crmd.Context) -> int:
    """Remembers half a mebibyte more each time."""
    SEEN.append(b"x" * 512 * 1024)
    return len(SEEN[-1])


def crmd_samples() -> Iterable[crmd.Sample]:
    """How it is tried."""
    return [crmd.Sample(job_type="hoard")]

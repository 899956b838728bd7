"""Says that it is done before it is."""

from collections.abc import Iterable

import crmd


@crmd.job("book-late")
async def book_late(ctx: crmd.Context) -> None:
    """Checkpoints, and then writes: whoever dies between the two has lost the row."""
    if ctx.restored(str) == "booked":
        return
    await ctx.checkpoint("booked")
    async with ctx.transaction() as tx:
        await tx.execute(
            "INSERT INTO ledger.entry (workspace_id, name, amount) VALUES ($1, 'once late', 1) ON CONFLICT DO NOTHING",
            ctx.job.workspace_id,
        )


def crmd_requires() -> Iterable[str]:
    """Whose table it writes."""
    return ["ledger"]


def crmd_samples() -> Iterable[crmd.Sample]:
    """How it is tried."""
    return [crmd.Sample(job_type="book-late")]

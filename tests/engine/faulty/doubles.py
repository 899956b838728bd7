"""A second job of the same kind writes a second row."""

from collections.abc import Iterable

import crmd


class Book(crmd.Payload, frozen=True):
    """What to book."""

    name: str


@crmd.job("book")
async def book(ctx: crmd.Context, payload: Book) -> None:
    """Books an entry, whether or not it is booked already."""
    if ctx.restored(str) == "booked":
        return
    async with ctx.transaction() as tx:
        await tx.execute(
            "INSERT INTO ledger.entry (workspace_id, name, amount) VALUES ($1, $2, 1)",
            ctx.job.workspace_id,
            payload.name,
        )
        await tx.checkpoint("booked")


def crmd_requires() -> Iterable[str]:
    """Whose table it writes."""
    return ["ledger"]


def crmd_samples() -> Iterable[crmd.Sample]:
    """How it is tried."""
    return [crmd.Sample(job_type="book", payload={"name": "rent"})]

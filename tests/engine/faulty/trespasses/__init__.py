"""Writes the rows of every workspace."""

from collections.abc import Iterable

import crmd


@crmd.job("read-notes")
async def read_notes(ctx: crmd.Context) -> None:
    """Marks all notes as read."""
    async with ctx.transaction() as tx:
        await tx.execute("UPDATE trespasses.note SET is_read = true")


async def seed(scene: crmd.Scene) -> None:
    """What it finds."""
    async with scene.transaction() as tx:
        await tx.execute("INSERT INTO trespasses.note (workspace_id, name) VALUES ($1, 'one')", scene.workspace_id)


def crmd_samples() -> Iterable[crmd.Sample]:
    """How it is tried."""
    return [crmd.Sample(job_type="read-notes", seed=seed)]

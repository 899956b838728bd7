"""Holds a transaction while it waits for the outside."""

from collections.abc import Iterable, Mapping

import crmd


@crmd.job("ask-inside")
async def ask_inside(ctx: crmd.Context) -> None:
    """Asks a slow server for a rate and writes it, all in one transaction."""
    async with ctx.transaction() as tx:
        response = await ctx.http.request("GET", "https://rates.example/eur")
        await tx.execute(
            "INSERT INTO ledger.entry (workspace_id, name, amount) VALUES ($1, 'once eur', $2) ON CONFLICT DO NOTHING",
            ctx.job.workspace_id,
            response.json(int),
        )


def answer(method: str, path: str, params: Mapping[str, str], body: bytes) -> object:
    """The fake that it asks."""
    return 108


async def seed(scene: crmd.Scene) -> None:
    """What it finds."""
    scene.host("rates.example", answer)


def crmd_requires() -> Iterable[str]:
    """Whose table it writes."""
    return ["ledger"]


def crmd_samples() -> Iterable[crmd.Sample]:
    """How it is tried."""
    return [crmd.Sample(job_type="ask-inside", seed=seed)]

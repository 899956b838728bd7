"""Asks on and on, whatever the provider says."""

from collections.abc import Iterable, Mapping
from uuid import UUID

import crmd

SHOP = crmd.Provider(
    name="shop",
    authorize_url="https://shop.example/authorize",
    token_url="https://shop.example/token",
    api_url="https://api.shop.example",
)


class Fetch(crmd.Payload, frozen=True):
    """Whose orders."""

    connection_id: UUID


@crmd.job("fetch-orders", connection="connectionId")
async def fetch_orders(ctx: crmd.Context, payload: Fetch) -> int:
    """Fetches orders, and does not take no for an answer."""
    client = await ctx.connection(payload.connection_id)
    for _ in range(30):
        try:
            return (await ctx.http.request("GET", "https://orders.example/")).status
        except (crmd.GateClosed, crmd.RetryJob):
            continue
    raise crmd.RetryJob(f"{client.provider} has no orders")


def answer(method: str, path: str, params: Mapping[str, str], body: bytes) -> object:
    """The fake that it asks."""
    return {"orders": []}


async def seed(scene: crmd.Scene) -> Mapping[str, object]:
    """What it finds."""
    scene.host("orders.example", answer)
    return {"connectionId": str(await scene.connect("shop", "jana@shop.example", answer))}


def crmd_providers() -> Iterable[crmd.Provider]:
    """Whom it asks."""
    return [SHOP]


def crmd_samples() -> Iterable[crmd.Sample]:
    """How it is tried."""
    return [crmd.Sample(job_type="fetch-orders", seed=seed)]

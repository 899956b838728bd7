"""The job `probe-connection`: whether one account can be worked with, and whether its sync is fresh."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

import crmd

if TYPE_CHECKING:
    from crmd_health.settings import HealthSettings

HOUR_SECONDS = 3600.0


class ConnectionToProbe(crmd.Payload, frozen=True):
    """The connection, and what is known of it already.

    Args:
        known_reason: Why it does not work, when that is known without asking.
        synced_seconds: How long ago it was last synced; None: never.
    """

    connection_id: UUID
    provider: str
    account: str
    known_reason: str | None = None
    synced_seconds: float | None = None


class Probed(msgspec.Struct, frozen=True, rename="camel"):
    """One connection, counted where it belongs; a parent adds these up."""

    healthy: int
    unhealthy: int
    reason: str | None = None


@crmd.job("probe-connection", queue="fast", max_attempts=3, timeout_seconds=120.0)
async def probe_connection(ctx: crmd.Context, payload: ConnectionToProbe) -> Probed:
    """Ask the provider whether the connection works, which refreshes its token when due."""
    settings: HealthSettings = ctx.settings
    reason = payload.known_reason or await trouble_of(ctx, payload.connection_id)
    reason = reason or staleness(payload.synced_seconds, settings.stale_hours)
    if reason is None:
        return Probed(healthy=1, unhealthy=0)
    ctx.log.warning("connection %s of %s is unhealthy", payload.connection_id, payload.provider)
    await ctx.emit(
        "sync.unhealthy",
        {
            "connectionId": payload.connection_id,
            "provider": payload.provider,
            "account": payload.account,
            "reason": reason,
        },
        aggregate_type="connection",
        aggregate_id=payload.connection_id,
    )
    return Probed(healthy=0, unhealthy=1, reason=reason)


async def trouble_of(ctx: crmd.Context, connection_id: UUID) -> str | None:
    """Why the connection does not work, or None. A passing fault is tried again before it counts."""
    try:
        response = await (await ctx.connection(connection_id)).probe()
    except crmd.GateClosed as error:  # a pause that ends by itself is the provider's, and no trouble
        return error.reason if error.after_seconds is None else None
    except crmd.FailJob as error:
        return str(error)
    except crmd.RetryJob as error:
        if ctx.job.attempt < ctx.job.max_attempts:
            raise
        return str(error)
    if response is None or response.is_ok:
        return None
    return f"its provider answers with status {response.status}"


def staleness(synced_seconds: float | None, stale_hours: float) -> str | None:
    """Why a sync counts as stale, or None; one that has never been is the first sync's business."""
    if synced_seconds is None or synced_seconds <= stale_hours * HOUR_SECONDS:
        return None
    return f"it was last synced {synced_seconds / HOUR_SECONDS:.0f} hours ago"

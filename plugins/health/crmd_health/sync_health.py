"""The job `check-sync-health`: has every connection tested by a job of its own, in its own workspace."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

import crmd
from crmd_health.connection_probe import ConnectionToProbe

DISABLED = "disabled"
LOST = "needs_reauth"


class SyncChecked(msgspec.Struct, frozen=True, rename="camel"):
    """What was begun: how many tests, and how many connections an operator has disabled."""

    tests: int
    disabled: int


@crmd.job("check-sync-health", schedule="0 */6 * * *", unique=crmd.Unique(scope="unfinished"))
async def check_sync_health(ctx: crmd.Context) -> SyncChecked:
    """Test each connection of every workspace; what is not well is told by events."""
    begun = ctx.restored(SyncChecked)
    if begun is not None:  # the tests were enqueued by an earlier attempt, in the transaction of this checkpoint
        return begun
    status = await ctx.status()
    wanted = [row for row in status["connections"] if ctx.job.workspace_id in {None, UUID(row["workspace_id"])}]
    tested = [row for row in wanted if row["state"] != DISABLED]
    checked = SyncChecked(tests=len(tested), disabled=len(wanted) - len(tested))
    async with ctx.transaction() as tx:
        for row in tested:
            await tx.enqueue("probe-connection", probe_of(row), is_child=True, workspace_id=UUID(row["workspace_id"]))
        await tx.checkpoint(checked)
    return checked


def probe_of(row: dict[str, Any]) -> ConnectionToProbe:
    """The test of a connection as `ctx.status()` shows it; one whose grant is lost is not asked again."""
    return ConnectionToProbe(
        connection_id=UUID(row["id"]),
        provider=row["provider"],
        account=row["account"],
        known_reason=(row["last_error"] or "it needs a new consent") if row["state"] == LOST else None,
        synced_seconds=row["synced_seconds"],
    )

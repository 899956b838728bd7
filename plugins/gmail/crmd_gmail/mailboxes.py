"""The job sync-gmail: every connected mailbox that is due gets its sync of changes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

import crmd

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from crmd_gmail.settings import GmailSettings


class Started(msgspec.Struct, frozen=True, rename="camel"):
    """How many mailboxes were due, and for how many a sync was begun: the others still wait for an earlier one."""

    due: int
    started: int


@crmd.job(
    "sync-gmail",
    # A mailbox that waits for its owner's consent keeps its round unfinished; the next round must come nevertheless.
    schedule=crmd.Schedule(expression="*/15 * * * *", overlap="allow"),
    unique=crmd.Unique(scope="waiting"),
)
async def sync_gmail(ctx: crmd.Context) -> Started:
    """Begin a sync of changes for every active Google connection that was not synced a moment ago."""
    settings: GmailSettings = ctx.settings
    fresh_since = ctx.job.created_at - timedelta(minutes=settings.fresh_minutes)
    due = due_accounts(await ctx.connections("google"), fresh_since)
    started = 0
    for workspace_id, accounts in by_workspace(due).items():
        payloads = [
            {"connectionId": str(account.id), "userId": None if account.user_id is None else str(account.user_id)}
            for account in accounts
        ]
        enqueued = await ctx.enqueue_many("sync-emails-incremental", payloads, is_child=True, workspace_id=workspace_id)
        started += sum(one.is_new for one in enqueued)
    return Started(len(due), started)


def due_accounts(accounts: Iterable[crmd.Account], fresh_since: datetime) -> list[crmd.Account]:
    """Those that were not synced since then, by a push for example."""
    return [account for account in accounts if account.last_synced_at is None or account.last_synced_at < fresh_since]


def by_workspace(accounts: Iterable[crmd.Account]) -> dict[UUID, list[crmd.Account]]:
    """The accounts of each workspace."""
    found: dict[UUID, list[crmd.Account]] = {}
    for account in accounts:
        found.setdefault(account.workspace_id, []).append(account)
    return found

"""The job sync-emails-incremental: what changed in a mailbox since its cursor, applied page by page.

The cursor moves in the transaction that commits the last effect of a page, from the value it was read at, so that a
crash repeats one page at the most and two syncs of one mailbox can't skip anything.
"""

from __future__ import annotations

from uuid import UUID

import anyio

import crmd
from crmd_gmail.changes import Move, apply_changes
from crmd_gmail.history import fold
from crmd_gmail.initial import CURSOR
from crmd_gmail.mailbox import Mailbox, open_mailbox
from crmd_gmail.patience import patiently
from crmd_gmail.provider import GOOGLE
from crmd_gmail.resync import resync
from crmd_gmail.synced import Kept, Synced
from crmd_gmail.wire import HistoryPage, ask

BREATH_SECONDS = 200.0
"""After this long the job goes back to the queue with what it has committed, well inside its time limit."""


class SyncEmailsIncremental(crmd.Payload, frozen=True):
    """Which mailbox."""

    connection_id: UUID
    user_id: UUID | None = None


@crmd.job(
    "sync-emails-incremental",
    aliases=("email-sync-incremental",),
    priority="high",
    connection="connectionId",
    unique=crmd.Unique(scope="unfinished", fields=("connectionId",)),
    on_events="account.connected",
)
async def sync_emails_incremental(
    ctx: crmd.Context, payload: SyncEmailsIncremental
) -> Synced | crmd.Snooze | crmd.Cancel:
    """Apply what changed in a mailbox: mail added and deleted, labels, read state."""
    return await patiently(ctx, _sync(ctx, payload))


async def _sync(ctx: crmd.Context, payload: SyncEmailsIncremental) -> Synced | crmd.Snooze | crmd.Cancel:
    mailbox = await open_mailbox(ctx, payload.connection_id)
    if mailbox.client.provider != GOOGLE.name:
        return crmd.Cancel(f"This account is one of {mailbox.client.provider}'s.")
    cursor = await mailbox.client.cursor(CURSOR)
    if cursor is None:
        user_id = None if payload.user_id is None else str(payload.user_id)
        await ctx.enqueue("sync-emails-initial", {"connectionId": str(payload.connection_id), "userId": user_id})
        return Synced("initial")
    kept = ctx.restored(Kept) or Kept()
    breath_at = anyio.current_time() + BREATH_SECONDS
    if kept.span is not None and kept.span.cursor == str(cursor):
        return await resync(ctx, mailbox, kept, breath_at)
    return await _follow(ctx, mailbox, str(cursor), kept.done, breath_at)


async def _follow(
    ctx: crmd.Context, mailbox: Mailbox, cursor: str, done: Synced, breath_at: float
) -> Synced | crmd.Snooze:
    """Page after page, from the cursor to the newest change."""
    page = await _history(mailbox, cursor, None)
    if page is None:
        return await resync(ctx, mailbox, Kept(done), breath_at, cursor=cursor)
    start, first_id = cursor, page.history_id
    while True:
        intents = fold(page.history)
        token = page.next_page_token
        # At the end the first page's id, not the last one's: what came while pages were read is looked at once more.
        reached = max(intents.last_id, 0 if token else first_id)
        move = Move(cursor, str(reached) if reached else cursor, is_last=token is None)
        done = await apply_changes(ctx, mailbox, intents, done, move)
        cursor = move.following
        if token is None:
            return done
        if anyio.current_time() > breath_at:
            return crmd.Snooze(1.0, "goes on after a breath")
        following = await _history(mailbox, start, token)
        if following is None:  # the token has aged; the cursor is good
            return crmd.Snooze(1.0, "begins a new listing of the history")
        page = following


async def _history(mailbox: Mailbox, start: str, page_token: str | None) -> HistoryPage | None:
    """One page of history; None when Gmail does not know the start (any more), or the token."""
    params = {"startHistoryId": start, "maxResults": str(mailbox.settings.page_max)}
    if page_token is not None:
        params["pageToken"] = page_token
    cost = mailbox.settings.cost("history_list")
    _, page = await ask(mailbox.client, "history", HistoryPage, cost=cost, params=params)
    return page

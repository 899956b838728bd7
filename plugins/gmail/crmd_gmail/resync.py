"""Compares a mailbox with what is stored when Gmail no longer knows our place in its history.

It goes back in time in spans, so that little is held at once and a crash repeats little. What is not stored is fetched;
of all that is stored the labels are asked for, and what Gmail answers 404 to is removed. Nothing is removed only
because it is not listed: it may have been stored after the listing.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import anyio
import msgspec
from crmd_crm.store import LabelChange, change_labels

import crmd
from crmd_gmail.changes import Move, move_cursor
from crmd_gmail.initial import SECONDS_MIN, START_CURSOR, list_page, read_profile, window
from crmd_gmail.storing import SQL, bring_in, remove
from crmd_gmail.synced import Kept, Span, Synced
from crmd_gmail.wire import UnusableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crmd_gmail.mailbox import Mailbox
    from crmd_gmail.wire import WireMessage

SPAN_DAYS = 30


async def resync(
    ctx: crmd.Context, mailbox: Mailbox, kept: Kept, breath_at: float, *, cursor: str = ""
) -> Synced | crmd.Snooze:
    """Compare everything in the window, then take the cursor that was read before.

    Args:
        ctx: Of the job.
        mailbox: Which.
        kept: How far an earlier attempt came; without a span it begins.
        breath_at: When to go back to the queue, by the loop's clock.
        cursor: The one that Gmail does not know; only to begin with.
    """
    span = kept.span or await _begin(ctx, mailbox, cursor)
    done = msgspec.structs.replace(kept.done, by="resync")
    while True:
        for chunk in await _work(ctx, mailbox, span):
            done = await _compare(ctx, mailbox, chunk, done, is_live=span.until is None)
            span = msgspec.structs.replace(span, last_id=max(chunk))
            await ctx.checkpoint(Kept(done, span))
            if anyio.current_time() > breath_at:
                return crmd.Snooze(1.0, "goes on after a breath")
        if span.begins <= span.since:
            break
        span = earlier(span)
        await ctx.checkpoint(Kept(done, span))
    async with ctx.transaction() as tx:
        await move_cursor(tx, mailbox, Move(span.cursor, str(span.history_id), is_last=True))
    return done


def earlier(span: Span) -> Span:
    """The span before this one."""
    begins = max(span.begins - SPAN_DAYS * 86_400, span.since)
    return msgspec.structs.replace(span, until=span.begins, begins=begins, last_id="")


async def _begin(ctx: crmd.Context, mailbox: Mailbox, cursor: str) -> Span:
    """The history id is read before anything is listed: what changes from now on, the next sync finds.

    It never reaches further back than the mailbox was synced before: what its owner left out stays out.
    """
    profile = await read_profile(mailbox)
    now = ctx.job.created_at
    start = await mailbox.client.cursor(START_CURSOR) or 0
    since = max(int((now - timedelta(days=mailbox.settings.resync_days)).timestamp()), start, SECONDS_MIN)
    return Span(cursor, profile.history_id, since, max(int(now.timestamp()) - SPAN_DAYS * 86_400, since))


async def _work(ctx: crmd.Context, mailbox: Mailbox, span: Span) -> list[Sequence[str]]:
    """Ids of the span that the mailbox lists or the CRM holds, in lots, without those that are done."""
    listed = await _listed(mailbox, span)
    begins = datetime.fromtimestamp(span.begins if span.begins > SECONDS_MIN else 0, UTC)
    until = None if span.until is None else datetime.fromtimestamp(span.until, UTC)
    async with ctx.transaction() as tx:
        rows = await tx.fetch(SQL.stored_between, mailbox.connection_id, begins, until)
    ids = sorted(each for each in listed.union(row["provider_id"] for row in rows) if each > span.last_id)
    size = mailbox.settings.batch_max
    return [ids[start : start + size] for start in range(0, len(ids), size)]


async def _listed(mailbox: Mailbox, span: Span) -> set[str]:
    """What Gmail lists in the span. One second more at each end: whether its bounds are inside is not said."""
    query = window(span.begins - 1, None if span.until is None else span.until + 1)
    found: set[str] = set()
    token: str | None = None
    while True:
        page = await list_page(mailbox, query, token)
        if page is None:
            raise UnusableError("Gmail refuses a page token that it gave.")
        found.update(page.ids)
        token = page.next_page_token
        if token is None:
            return found


async def _compare(ctx: crmd.Context, mailbox: Mailbox, ids: Sequence[str], done: Synced, *, is_live: bool) -> Synced:
    """Fetch those of a lot that are not stored; ask for the labels of the others.

    Only of the newest span is anybody told that mail was just received or sent.
    """
    async with ctx.transaction() as tx:
        rows = await tx.fetch(SQL.stored, mailbox.connection_id, ids)
    labels = {row["provider_id"]: frozenset(row["labels"] or ()) for row in rows}
    missing = [each for each in ids if each not in labels]
    done = done.having(await bring_in(ctx, mailbox, missing, is_live=is_live, tally=done.tally))
    fetched = await mailbox.minimal.fetch(list(labels))
    async with ctx.transaction() as tx:
        await tx.execute(SQL.lock_mailbox, mailbox.connection_id)
        removed = await remove(tx, mailbox.connection_id, dict.fromkeys(fetched.gone, 0))
        changes = [label_change(message, labels[message.id]) for message in fetched.found]
        changed = await change_labels(tx, mailbox.connection_id, changes)
    if fetched.fault is not None:
        raise fetched.fault
    return done.having(done.tally, gone=removed, relabelled=len(changed))


def label_change(message: WireMessage, stored: frozenset[str]) -> LabelChange:
    """What makes the stored labels those of the message."""
    labels = frozenset(message.label_ids)
    return LabelChange(
        provider_id=message.id,
        history_id=message.history_id,
        added=tuple(sorted(labels - stored)),
        removed=tuple(sorted(stored - labels)),
        is_unread="UNREAD" in labels,
        is_draft="DRAFT" in labels,
    )

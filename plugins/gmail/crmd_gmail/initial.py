"""The job sync-emails-initial: all ids of a mailbox are listed page by page, and a child fetches each batch.

The mailbox's newest history id is read before the first page and becomes the cursor after the last, so that nothing
that changes meanwhile is missed. A page's children and the place after it are committed together: a crash goes on
with the next page.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import msgspec

import crmd
from crmd_gmail.mailbox import open_mailbox
from crmd_gmail.patience import patiently
from crmd_gmail.wire import MessagePage, Profile, UnusableError, ask

if TYPE_CHECKING:
    from crmd_gmail.mailbox import Mailbox
    from crmd_gmail.settings import GmailSettings

CURSOR = "history"
"""Name of the cursor; it holds Gmail's history id as text."""
START_CURSOR = "start"
"""Name of the cursor that holds, in epoch seconds, how far back the mailbox was ever synced."""
RESTARTS_MAX = 3
SECONDS_MIN = 1_000_000_000
"""September 2001: Gmail reads smaller numbers in a search as something else than epoch seconds."""


class SyncEmailsInitial(crmd.Payload, frozen=True):
    """Which mailbox. `start_date` is a day or an instant (ISO 8601); each child fetches `batch_size` messages."""

    connection_id: UUID
    user_id: UUID | None = None
    start_date: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\d(T[0-9:.+Z-]{2,30})?$")] | None = None
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=500)] = 100


class Listed(msgspec.Struct, frozen=True, rename="camel"):
    """How many ids were listed, and in how many batches they are fetched."""

    listed: int
    batches: int


class Place(msgspec.Struct, frozen=True):
    """The checkpoint: what the listing began with, and how far it is."""

    history_id: int
    after: int
    page_token: str | None = None
    listed: int = 0
    batches: int = 0
    restarts: int = 0
    is_done: bool = False


@crmd.job(
    "sync-emails-initial",
    aliases=("email-sync-initial",),
    queue="slow",
    priority="high",
    max_attempts=5,
    timeout_seconds=3600.0,
    connection="connectionId",
    unique=crmd.Unique(scope="unfinished", fields=("connectionId",)),
)
async def sync_emails_initial(ctx: crmd.Context, payload: SyncEmailsInitial) -> Listed | crmd.Snooze:
    """List all mail since a day, fetch it in batches, and take the place from which changes are synced."""
    return await patiently(ctx, _list_all(ctx, payload))


async def _list_all(ctx: crmd.Context, payload: SyncEmailsInitial) -> Listed:
    mailbox = await open_mailbox(ctx, payload.connection_id)
    place = ctx.restored(Place)
    if place is None:
        place = await _begin(ctx, mailbox, _start_at(payload.start_date, ctx.job.created_at, mailbox.settings))
    while not place.is_done:
        page = await list_page(mailbox, window(place.after), place.page_token)
        place = await _take_page(ctx, mailbox, payload, place, page)
    return Listed(place.listed, place.batches)


async def read_profile(mailbox: Mailbox) -> Profile:
    """The mailbox's newest history id."""
    cost = mailbox.settings.cost("profile_get")
    status, profile = await ask(mailbox.client, "profile", Profile, cost=cost, params={})
    if profile is None:
        raise crmd.FailJob(f"Gmail has no mailbox for {mailbox.client.account} (status {status}).")
    return profile


def window(after: int, before: int | None = None) -> str:
    """The search for mail of a window in epoch seconds; a start before `SECONDS_MIN` means from the beginning."""
    terms = [f"after:{after}"] if after > SECONDS_MIN else []
    return " ".join(terms if before is None else [*terms, f"before:{before}"])


async def list_page(mailbox: Mailbox, query: str, page_token: str | None) -> MessagePage | None:
    """One page of ids, spam and trash included; None when the page token is no longer accepted."""
    settings = mailbox.settings
    params = {"maxResults": str(settings.page_max), "includeSpamTrash": "true"}
    if query:
        params["q"] = query
    if page_token is not None:
        params["pageToken"] = page_token
    cost = settings.cost("messages_list")
    status, page = await ask(mailbox.client, "messages", MessagePage, cost=cost, params=params)
    if page is None and page_token is None:
        raise crmd.FailJob(f"Gmail refuses to list the messages of {mailbox.client.account} (status {status}).")
    return page


async def _begin(ctx: crmd.Context, mailbox: Mailbox, start_at: datetime) -> Place:
    profile = await read_profile(mailbox)
    place = Place(profile.history_id, int(start_at.timestamp()))
    await ctx.checkpoint(place)
    return place


async def _take_page(
    ctx: crmd.Context, mailbox: Mailbox, payload: SyncEmailsInitial, place: Place, page: MessagePage | None
) -> Place:
    """Hand a page over to children, or begin again when its token is refused: that repeats work and skips none."""
    if page is None:
        if place.restarts >= RESTARTS_MAX:
            raise UnusableError("Gmail refuses the page tokens that it gives.")
        place = msgspec.structs.replace(place, page_token=None, restarts=place.restarts + 1)
        await ctx.checkpoint(place)
        return place
    ids, size = page.ids, payload.batch_size
    batches = [ids[start : start + size] for start in range(0, len(ids), size)]
    place = msgspec.structs.replace(
        place,
        page_token=page.next_page_token,
        listed=place.listed + len(ids),
        batches=place.batches + len(batches),
        is_done=page.next_page_token is None,
    )
    start = await mailbox.client.cursor(START_CURSOR)
    async with ctx.transaction() as tx:
        await _commit(tx, mailbox, place, batches, start)
    ctx.progress(place.listed, place.listed if place.is_done else max(page.result_size_estimate, place.listed))
    return place


async def _commit(
    tx: crmd.Transaction, mailbox: Mailbox, place: Place, batches: list[list[str]], start: int | None
) -> None:
    connection_id = mailbox.connection_id
    payloads = [{"connectionId": str(connection_id), "messageIds": batch} for batch in batches]
    if payloads:
        await tx.enqueue_many("process-email-batch", payloads, is_child=True)
    if place.is_done:
        # A cursor that is there already stays: between it and this listing lie deletions that only history tells.
        await tx.set_cursor(connection_id, CURSOR, str(place.history_id), expected=None)
        if start is None or place.after < start:
            await tx.set_cursor(connection_id, START_CURSOR, place.after, expected=start)
        await tx.mark_synced(connection_id)
    await tx.checkpoint(place)


def _start_at(text: str | None, created_at: datetime, settings: GmailSettings) -> datetime:
    if text is None:
        return created_at - timedelta(days=settings.initial_days)
    try:
        start_at = datetime.fromisoformat(text)
    except ValueError:
        raise crmd.FailJob(f"The start date {text} is no date.") from None
    return start_at if start_at.tzinfo is not None else start_at.replace(tzinfo=UTC)

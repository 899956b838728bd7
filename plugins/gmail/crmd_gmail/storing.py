"""Writes what was fetched: new messages with their events, and what the mailbox no longer has.

Whoever stores shares the lock on the mailbox, whoever deletes or relabels holds it alone: so what was told of a message
between its fetching and its storing is always seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio.to_thread
from crmd_crm.incoming import ReadMessage, RefusedMessage
from crmd_crm.store import remove_messages, store_messages

import crmd
from crmd_gmail.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from typing import TypeAlias
    from uuid import UUID

    from crmd_crm.store import StoredMessage

    from crmd_gmail.fetching import Fetched
    from crmd_gmail.mailbox import Mailbox

    Batch: TypeAlias = Sequence[ReadMessage | RefusedMessage]
    Keep: TypeAlias = Callable[[crmd.Transaction, list[str], Tally], Awaitable[None]]

SQL = crmd.load_queries("crmd_gmail")
SILENT_LABELS = frozenset({"SPAM", "TRASH", "DRAFT"})
"""Mail with these is stored, but nobody is told that it was received or sent."""


@dataclass(frozen=True, slots=True)
class Written:
    """What writing a batch came to; `stale` ids were changed since they were fetched, and are to be fetched again."""

    tally: Tally
    stale: tuple[str, ...]


async def bring_in(
    ctx: crmd.Context, mailbox: Mailbox, ids: Sequence[str], *, keep: Keep | None = None, is_live: bool, tally: Tally
) -> Tally:
    """Fetch and store messages, some at a time, each lot in one transaction.

    Args:
        ctx: Of the job.
        mailbox: Where they are.
        ids: Which.
        keep: Called inside each transaction with the ids that are still to come and the tally up to there.
        is_live: Tell of mail received and sent; False for old mail.
        tally: What was counted before.
    """
    pending = list(ids)
    while pending:
        chunk, rest = pending[: mailbox.settings.batch_max], pending[mailbox.settings.batch_max :]
        fetched = await mailbox.raw.fetch(chunk)
        read = mailbox.reader.read
        batch = await anyio.to_thread.run_sync(read, fetched.found, fetched.refused, mailbox.versions)
        async with ctx.transaction() as tx:
            written = await write_batch(tx, mailbox, batch, fetched.gone, is_live=is_live)
            pending = [*fetched.left, *written.stale, *rest]
            tally = tally.plus(written.tally)
            if keep is not None:
                await keep(tx, pending, tally)
        _book(ctx, batch, fetched, written)
        if fetched.fault is not None:
            raise fetched.fault
    return tally


async def write_batch(
    tx: crmd.Transaction, mailbox: Mailbox, batch: Batch, gone: Sequence[str], *, is_live: bool
) -> Written:
    """Store a batch, remove what is gone, and tell of new mail; everything in the caller's transaction."""
    connection_id = mailbox.connection_id
    await tx.execute(SQL.lock_mailbox if gone else SQL.share_mailbox, connection_id)
    ids = [_provider_id(each) for each in batch]
    told = {row["provider_id"]: row for row in await tx.fetch(SQL.told, connection_id, ids)}
    fresh = [each for each in batch if _provider_id(each) not in told]
    stale, deleted = [], list(gone)
    for each in batch:
        row = told.get(_provider_id(each))
        if row is None:
            continue
        if row["is_gone"]:
            deleted.append(_provider_id(each))
        elif isinstance(each, ReadMessage) and each.incoming.history_id < row["history_id"]:
            stale.append(each.incoming.provider_id)
            mailbox.versions[each.incoming.provider_id] = row["history_id"]
        else:
            fresh.append(each)
    stored = await store_messages(tx, connection_id, fresh)
    await tx.execute(SQL.forget_told, connection_id, [_provider_id(each) for each in fresh], False)
    if gone:
        await remove(tx, connection_id, dict.fromkeys(gone, 0))
    await _tell(tx, connection_id, fresh, [one for one in stored.written if one.is_new], is_live=is_live)
    new = sum(one.is_new for one in stored.written)
    changed = len(stored.written) - new
    return Written(Tally(new, changed, stored.unchanged_count, stored.refused_count, len(deleted)), tuple(stale))


async def remove(tx: crmd.Transaction, connection_id: UUID, versions: Mapping[str, int]) -> int:
    """Remove messages that the mailbox no longer has, and remember that; the caller holds the mailbox alone.

    Args:
        tx: The transaction.
        connection_id: Whose messages.
        versions: History ids of the deletions by message, 0 where unknown.

    Returns:
        How many were stored.
    """
    if not versions:
        return 0
    await tx.execute(SQL.tell, connection_id, list(versions), list(versions.values()), True)
    return len(await remove_messages(tx, connection_id, versions))


async def _tell(
    tx: crmd.Transaction, connection_id: UUID, batch: Batch, new: Sequence[StoredMessage], *, is_live: bool
) -> None:
    """One event for each new message, and if it is live a second one that says which way it went."""
    labels = {each.incoming.provider_id: each.incoming.labels for each in batch if isinstance(each, ReadMessage)}
    await _emit(tx, "email.synced", connection_id, new)
    if not is_live:
        return
    told = [one for one in new if not SILENT_LABELS.intersection(labels[one.provider_id])]
    await _emit(tx, "email.received", connection_id, [one for one in told if one.direction == "inbound"])
    await _emit(tx, "email.sent", connection_id, [one for one in told if one.direction == "outbound"])


async def _emit(tx: crmd.Transaction, event_type: str, connection_id: UUID, messages: Sequence[StoredMessage]) -> None:
    data = [
        {
            "emailId": str(one.id),
            "connectionId": str(connection_id),
            "threadId": str(one.thread_id),
            "providerId": one.provider_id,
            "direction": one.direction,
            "kind": one.kind,
            "yieldsPeople": one.yields_people,
        }
        for one in messages
    ]
    if data:
        await tx.emit_many(event_type, data, aggregate_type="email", aggregate_ids=[one.id for one in messages])


def _provider_id(message: ReadMessage | RefusedMessage) -> str:
    return message.provider_id if isinstance(message, RefusedMessage) else message.incoming.provider_id


def _book(ctx: crmd.Context, batch: Batch, fetched: Fetched, written: Written) -> None:
    """The outcome of each message, once its transaction is committed."""
    for each in batch:
        if isinstance(each, RefusedMessage):
            ctx.blocked(each.provider_id, each.reason)
        elif each.incoming.provider_id not in written.stale:
            ctx.succeeded(each.incoming.provider_id)
    for message_id in fetched.gone:
        ctx.blocked(message_id, "The mailbox no longer has this message.")

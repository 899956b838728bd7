"""What sync plugins write through: messages stored, removed and relabelled in sets, inside the caller's transaction.

Every function may run twice, overlap with another sync and come late: a second run of the same changes no row, and an
older version never overwrites a newer one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import crmd
from crmd_crm.incoming import Direction, ReadMessage, RefusedMessage, message_row

SQL = crmd.load_queries("crmd_crm")


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message that was written; `is_new` is False when an earlier version was there."""

    id: UUID
    provider_id: str
    thread_id: UUID
    direction: Direction
    kind: str
    is_new: bool
    yields_people: bool


@dataclass(frozen=True, slots=True)
class StoredMessages:
    """What storing a batch came to: `written` in its order, how many were there already alike, how many refused."""

    written: tuple[StoredMessage, ...]
    unchanged_count: int
    refused_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelChange:
    """A change of one message's labels in the provider's history; None leaves read state or draft state as it is."""

    provider_id: str
    history_id: int
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    is_unread: bool | None = None
    is_draft: bool | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How much a workspace holds."""

    messages: int
    threads: int
    contacts: int
    companies: int
    quarantined: int


async def store_messages(
    tx: crmd.Statements, connection_id: UUID, messages: Sequence[ReadMessage | RefusedMessage]
) -> StoredMessages:
    """Store a batch as `read_all` gives it (each provider id once) with threads, addresses and attachments.

    What can't be a message goes to the quarantine, and leaves it when it can be read after all.
    """
    refused = [each for each in messages if isinstance(each, RefusedMessage)]
    read = [each for each in messages if isinstance(each, ReadMessage)]
    if refused:
        await _quarantine(tx, connection_id, refused)
    if not read:
        return StoredMessages((), 0, len(refused))
    await tx.execute(SQL.release_quarantine, connection_id, [each.incoming.provider_id for each in read])
    thread_ids = await _lock_threads(tx, connection_id, read)
    rows = await tx.fetch(SQL.upsert_messages, connection_id, [message_row(each) for each in read])
    by_id = {each.incoming.provider_id: each for each in read}
    written = [(_stored(row, by_id[row["provider_id"]]), by_id[row["provider_id"]]) for row in rows]
    order = {provider_id: position for position, provider_id in enumerate(by_id)}
    written.sort(key=lambda pair: order[pair[0].provider_id])
    await _write_details(tx, written)
    if written:
        await tx.execute(SQL.refresh_threads, thread_ids)
    if any(not stored.is_new for stored, _ in written):
        await tx.execute(SQL.delete_empty_threads, thread_ids)
    return StoredMessages(tuple(stored for stored, _ in written), len(read) - len(written), len(refused))


async def remove_messages(tx: crmd.Statements, connection_id: UUID, provider_ids: Iterable[str]) -> list[UUID]:
    """Remove messages the provider no longer has, and threads that become empty; the ids of those that were there."""
    ids = sorted(set(provider_ids))
    await tx.execute(SQL.release_quarantine, connection_id, ids)
    threads = await tx.fetch(SQL.lock_threads_of_messages, connection_id, ids)
    rows = await tx.fetch(SQL.delete_messages, connection_id, ids)
    thread_ids = [row["id"] for row in threads]
    await tx.execute(SQL.delete_empty_threads, thread_ids)
    await tx.execute(SQL.refresh_threads, thread_ids)
    return [row["id"] for row in rows]


async def change_labels(tx: crmd.Statements, connection_id: UUID, changes: Iterable[LabelChange]) -> list[UUID]:
    """Apply label changes in the order of their history; changes older than what is stored do nothing."""
    changed: dict[UUID, None] = {}
    for batch in label_rounds(changes):
        rows = await tx.fetch(SQL.change_labels, connection_id, [_label_row(each) for each in batch])
        changed.update(dict.fromkeys(row["id"] for row in rows))
    return list(changed)


def label_rounds(changes: Iterable[LabelChange]) -> list[list[LabelChange]]:
    """Changes in rounds of ascending history, each message once a round; those of one history id are made one."""
    merged: dict[tuple[int, str], LabelChange] = {}
    for change in changes:
        key = (change.history_id, change.provider_id)
        known = merged.get(key)
        merged[key] = change if known is None else _merge(known, change)
    rounds: list[list[LabelChange]] = []
    seen: dict[str, int] = {}
    for _, change in sorted(merged.items()):
        number = seen.get(change.provider_id, 0)
        seen[change.provider_id] = number + 1
        if number == len(rounds):
            rounds.append([])
        rounds[number].append(change)
    return rounds


async def stored_provider_ids(tx: crmd.Statements, connection_id: UUID, since: datetime | None = None) -> set[str]:
    """The provider's ids of all that is stored or in quarantine; messages only those received since then."""
    return {row["provider_id"] for row in await tx.fetch(SQL.stored_provider_ids, connection_id, since)}


async def counts(tx: crmd.Statements) -> Counts:
    """How much the transaction's workspace holds."""
    return Counts(**dict(await tx.fetchrow(SQL.counts)))


async def _quarantine(tx: crmd.Statements, connection_id: UUID, refused: Sequence[RefusedMessage]) -> None:
    await tx.execute(
        SQL.upsert_quarantine,
        connection_id,
        [each.provider_id for each in refused],
        [each.reason for each in refused],
        [each.size_bytes for each in refused],
        [each.sha256 for each in refused],
    )


async def _lock_threads(tx: crmd.Statements, connection_id: UUID, read: Sequence[ReadMessage]) -> list[UUID]:
    """Make the batch's threads; they stay locked to the transaction's end, so that no count misses a message."""
    threads = {each.incoming.provider_thread_id: each.mail.subject for each in read}
    await tx.execute(SQL.upsert_threads, connection_id, list(threads), list(threads.values()))
    provider_ids = [each.incoming.provider_id for each in read]
    return [row["id"] for row in await tx.fetch(SQL.lock_threads, connection_id, list(threads), provider_ids)]


def _stored(row: Any, message: ReadMessage) -> StoredMessage:  # noqa: ANN401 - a database row
    return StoredMessage(
        id=row["id"],
        provider_id=row["provider_id"],
        thread_id=row["thread_id"],
        direction=row["direction"],
        kind=row["kind"],
        is_new=row["is_new"],
        yields_people=message.verdict.yields_people,
    )


async def _write_details(tx: crmd.Statements, written: Sequence[tuple[StoredMessage, ReadMessage]]) -> None:
    rewritten = [stored.id for stored, _ in written if not stored.is_new]
    if rewritten:
        await tx.execute(SQL.delete_addresses, rewritten)
        await tx.execute(SQL.delete_attachments, rewritten)
    people = [row for stored, message in written for row in _people(stored.id, message)]
    if people:
        await tx.execute(SQL.insert_addresses, *(list(column) for column in zip(*people, strict=True)))
    attached = [
        (stored.id, position, each.filename, each.content_type, each.size_bytes, each.content_id, each.is_inline)
        for stored, message in written
        for position, each in enumerate(message.mail.attachments)
    ]
    if attached:
        await tx.execute(SQL.insert_attachments, *(list(column) for column in zip(*attached, strict=True)))


def _people(message_id: UUID, message: ReadMessage) -> list[tuple[UUID, str, int, str, str | None]]:
    mail = message.mail
    roles = {
        "from": mail.from_,
        "sender": mail.sender,
        "reply_to": mail.reply_to,
        "to": mail.to,
        "cc": mail.cc,
        "bcc": mail.bcc,
    }
    return [
        (message_id, role, position, each.name, each.address)
        for role, addresses in roles.items()
        for position, each in enumerate(addresses)
    ]


def _merge(first: LabelChange, second: LabelChange) -> LabelChange:
    """Two changes of one history record as one; what the second says wins."""
    return LabelChange(
        provider_id=first.provider_id,
        history_id=first.history_id,
        added=tuple((set(first.added) - set(second.removed)) | set(second.added)),
        removed=tuple((set(first.removed) - set(second.added)) | set(second.removed)),
        is_unread=first.is_unread if second.is_unread is None else second.is_unread,
        is_draft=first.is_draft if second.is_draft is None else second.is_draft,
    )


def _label_row(change: LabelChange) -> dict[str, object]:
    return {
        "provider_id": change.provider_id,
        "history_id": change.history_id,
        "added": list(change.added),
        "removed": list(change.removed),
        "is_unread": change.is_unread,
        "is_draft": change.is_draft,
    }

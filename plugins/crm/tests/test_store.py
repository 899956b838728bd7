from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from crmd_crm.incoming import IncomingMessage, read_all
from crmd_crm.store import (
    SQL,
    LabelChange,
    change_labels,
    counts,
    label_rounds,
    remove_messages,
    store_messages,
    stored_provider_ids,
)

if TYPE_CHECKING:
    from crmd_crm.incoming import ReadMessage, RefusedMessage

    from tests.conftest import Build, Corpus, Crm

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
# Everything a second sync could touch: the row's version in the table, not only its columns.
STATE = """
SELECT 'message' AS kind, xmin::text, ctid::text, provider_id AS key FROM crm.message
UNION ALL SELECT 'thread', xmin::text, ctid::text, provider_thread_id FROM crm.thread
UNION ALL SELECT 'address', xmin::text, ctid::text, message_id::text || role || position FROM crm.message_address
UNION ALL SELECT 'attachment', xmin::text, ctid::text, message_id::text || position FROM crm.attachment
UNION ALL SELECT 'quarantine', xmin::text, ctid::text, provider_id FROM crm.quarantine
ORDER BY 1, 4
"""


@pytest.fixture
def letter(build: Build) -> bytes:
    """A message with every kind of detail."""
    return build(
        "From: Ada Lovelace <ada@example.com>",
        "To: Bob <bob@example.org>, carol@example.org",
        "Cc: Dan <dan@example.net>",
        "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=",
        "Date: Sun, 1 Mar 2026 11:59:00 +0000",
        "Message-ID: <1@example.com>",
        "Content-Type: multipart/mixed; boundary=x",
        body="--x\n\nHello Bob\n--x\nContent-Type: application/pdf; name=plan.pdf\n\n%PDF\n--x--\n",
    )


def incoming(raw: bytes, provider_id: str = "m1", **facts: object) -> IncomingMessage:
    """A message of thread t1, received at noon, unless facts say otherwise."""
    known: dict[str, object] = {"provider_thread_id": "t1", "received_at": NOON, "history_id": 10, **facts}
    return IncomingMessage(provider_id=provider_id, raw=raw, **known)  # type: ignore[arg-type]  # facts of its fields


async def test_a_message_is_stored_with_its_details(crm: Crm, letter: bytes) -> None:
    """Subject, people, text and attachments arrive as a reader would take them."""
    async with crm.transaction() as tx:
        stored = await store_messages(tx, crm.connection_id, read_all([incoming(letter, labels=("INBOX", "A"))]))
        row = await tx.fetchrow("SELECT * FROM crm.message")
        people = await tx.fetch("SELECT role, name, address FROM crm.message_address ORDER BY role, position")
        attached = await tx.fetchrow("SELECT filename, content_type, size_bytes FROM crm.attachment")
        thread = await tx.fetchrow("SELECT subject, message_count, last_message_at FROM crm.thread")
    assert [(each.is_new, each.kind, each.yields_people) for each in stored.written] == [(True, "mail", True)]
    assert (row["subject"], row["from_address"], row["body_text"]) == ("Grüße", "ada@example.com", "Hello Bob")
    assert (row["labels"], row["has_attachments"]) == (["A", "INBOX"], True)
    assert [tuple(each) for each in people] == [
        ("cc", "Dan", "dan@example.net"),
        ("from", "Ada Lovelace", "ada@example.com"),
        ("to", "Bob", "bob@example.org"),
        ("to", "", "carol@example.org"),
    ]
    assert tuple(attached) == ("plan.pdf", "application/pdf", 4)
    assert tuple(thread) == ("Grüße", 1, NOON)


async def test_a_second_sync_changes_no_row(crm: Crm, letter: bytes) -> None:
    """Storing the same batch again writes nothing: the rows keep their very versions."""
    batch = read_all([incoming(letter), incoming(b"", "m2")])
    async with crm.transaction() as tx:
        await store_messages(tx, crm.connection_id, batch)
        before = await tx.fetch(STATE)
    async with crm.transaction() as tx:
        again = await store_messages(tx, crm.connection_id, batch)
        after = await tx.fetch(STATE)
    assert (again.written, again.unchanged_count) == ((), 1)
    assert before == after
    assert len(before) == 8


async def test_an_older_version_never_overwrites_a_newer(crm: Crm, letter: bytes) -> None:
    """A batch that comes late leaves what a later one stored."""
    async with crm.transaction() as tx:
        newer = read_all([incoming(letter, history_id=20, labels=("TRASH",))])
        await store_messages(tx, crm.connection_id, newer)
        late = await store_messages(tx, crm.connection_id, read_all([incoming(letter, labels=("INBOX",))]))
        labels = await tx.fetchval("SELECT labels FROM crm.message")
    assert late.written == ()
    assert labels == ["TRASH"]


async def test_a_newer_version_replaces_the_details(crm: Crm, letter: bytes, build: Build) -> None:
    """A draft written on has the recipients of its newest version only, and one row."""
    draft = build("From: ada@example.com", "To: eve@example.org", body="New")
    async with crm.transaction() as tx:
        await store_messages(tx, crm.connection_id, read_all([incoming(letter)]))
        stored = await store_messages(tx, crm.connection_id, read_all([incoming(draft, history_id=11)]))
        people = await tx.fetch("SELECT address FROM crm.message_address WHERE role <> 'from'")
        attached = await tx.fetchval("SELECT count(*) FROM crm.attachment")
    assert [each.is_new for each in stored.written] == [False]
    assert [row["address"] for row in people] == ["eve@example.org"]
    assert attached == 0


async def test_a_message_that_changes_its_thread_is_counted_once(crm: Crm, letter: bytes) -> None:
    """A provider that regroups its mail leaves no thread behind that counts a message it lost."""
    async with crm.transaction() as tx:
        await store_messages(tx, crm.connection_id, read_all([incoming(letter), incoming(letter, "m2")]))
        moved = [incoming(letter, provider_thread_id="t2", history_id=11)]
        await store_messages(tx, crm.connection_id, read_all(moved))
        split = await tx.fetch("SELECT provider_thread_id, message_count FROM crm.thread ORDER BY 1")
        rest = [incoming(letter, "m2", provider_thread_id="t2", history_id=11)]
        await store_messages(tx, crm.connection_id, read_all(rest))
        joined = await tx.fetch("SELECT provider_thread_id, message_count FROM crm.thread")
    assert [tuple(row) for row in split] == [("t1", 1), ("t2", 1)]
    assert [tuple(row) for row in joined] == [("t2", 2)]


async def test_what_is_no_message_is_quarantined_and_released(crm: Crm, letter: bytes) -> None:
    """Bytes that can't be a message are kept aside with a reason, until they can be read."""
    async with crm.transaction() as tx:
        refused = await store_messages(tx, crm.connection_id, read_all([incoming(b"\x00\x00")]))
        reason = await tx.fetchval("SELECT reason FROM crm.quarantine")
        await store_messages(tx, crm.connection_id, read_all([incoming(letter)]))
        left = await counts(tx)
    assert (refused.refused_count, reason) == (1, "The message is empty.")
    assert (left.quarantined, left.messages, left.threads) == (0, 1, 1)


async def test_a_removed_message_takes_its_details_along(crm: Crm, letter: bytes) -> None:
    """Deletion leaves no address, attachment or empty thread, and corrects the count of a thread that goes on."""
    async with crm.transaction() as tx:
        later = incoming(letter, "m2", received_at=NOON + timedelta(hours=1))
        alone = incoming(letter, "m3", provider_thread_id="t2")
        await store_messages(tx, crm.connection_id, read_all([incoming(letter), later, alone]))
        removed = await remove_messages(tx, crm.connection_id, ["m2", "m3", "never-seen"])
        left = await counts(tx)
        thread = await tx.fetchrow("SELECT message_count, last_message_at FROM crm.thread")
        orphans = await tx.fetchval("SELECT count(*) FROM crm.message_address")
    assert len(removed) == 2
    assert (left.messages, left.threads, orphans) == (1, 1, 4)
    assert tuple(thread) == (1, NOON)


async def test_labels_change_in_the_order_of_history(crm: Crm, letter: bytes) -> None:
    """Added and removed labels and the read state follow the history; a replayed record does nothing."""
    changes = [
        LabelChange(provider_id="m1", history_id=12, removed=("UNREAD",), is_unread=False),
        LabelChange(provider_id="m1", history_id=11, added=("UNREAD", "STARRED"), is_unread=True),
        LabelChange(provider_id="m1", history_id=9, added=("OLD",)),
    ]
    async with crm.transaction() as tx:
        await store_messages(tx, crm.connection_id, read_all([incoming(letter, labels=("INBOX",))]))
        changed = await change_labels(tx, crm.connection_id, changes)
        row = await tx.fetchrow("SELECT labels, is_unread, provider_history_id FROM crm.message")
        again = await change_labels(tx, crm.connection_id, changes)
    assert tuple(row) == (["INBOX", "STARRED"], False, 12)
    assert (len(changed), again) == (1, [])


def test_changes_of_one_record_are_one() -> None:
    """Two changes of a message under one history id don't shut each other out."""
    first = LabelChange(provider_id="m", history_id=5, added=("A", "B"))
    second = LabelChange(provider_id="m", history_id=5, removed=("A",), is_unread=False)
    [[merged]] = label_rounds([first, second])
    assert (set(merged.added), set(merged.removed), merged.is_unread) == ({"B"}, {"A"}, False)


async def test_a_resync_can_tell_what_is_gone(crm: Crm, letter: bytes) -> None:
    """Ids received since an instant are listed, older ones aren't; those in quarantine always are."""
    old = incoming(letter, "old", received_at=NOON - timedelta(days=9))
    async with crm.transaction() as tx:
        await store_messages(tx, crm.connection_id, read_all([old, incoming(letter), incoming(b"", "bad")]))
        recent = await stored_provider_ids(tx, crm.connection_id, NOON)
        everything = await stored_provider_ids(tx, crm.connection_id)
    assert recent == {"m1", "bad"}
    assert everything == {"old", "m1", "bad"}


async def test_two_syncs_at_once_store_a_batch_once(crm: Crm, letter: bytes) -> None:
    """Overlapping syncs of one mailbox wait for each other and agree: no error, no doubled row, right counts."""
    batch = read_all(incoming(letter, f"m{number}", provider_thread_id=f"t{number % 3}") for number in range(30))

    async def sync(messages: list[ReadMessage | RefusedMessage]) -> None:
        async with crm.transaction() as tx:
            await store_messages(tx, crm.connection_id, messages)

    await asyncio.gather(sync(batch), sync(batch[::-1]))
    async with crm.transaction() as tx:
        held = await counts(tx)
        members = await tx.fetch("SELECT message_count FROM crm.thread")
        people = await tx.fetchval("SELECT count(*) FROM crm.message_address")
    assert (held.messages, held.threads, people) == (30, 3, 120)
    assert [row["message_count"] for row in members] == [10, 10, 10]


async def test_a_count_waits_for_the_other_sync(crm: Crm, letter: bytes) -> None:
    """Two syncs that add to one thread at the same time both count: the second waits for the first."""

    async def later() -> None:
        async with crm.transaction() as tx:
            await store_messages(tx, crm.connection_id, read_all([incoming(letter, "m2")]))

    async with crm.transaction() as tx:
        await store_messages(tx, crm.connection_id, read_all([incoming(letter, "m0")]))
    async with crm.transaction() as tx:
        await store_messages(tx, crm.connection_id, read_all([incoming(letter, "m1")]))
        second = asyncio.create_task(later())
        while not await crm.pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)
    await second
    async with crm.transaction() as tx:
        assert await tx.fetchval("SELECT message_count FROM crm.thread") == 3


async def test_every_statement_fits_the_schema(crm: Crm) -> None:
    """Each .sql file can be prepared against the migrated schema, and opens with a comment."""
    async with crm.pool.acquire() as connection:
        for name, text in SQL:
            assert text.startswith("-- "), name
            await connection.prepare(text)


async def test_every_real_message_is_stored_or_quarantined(crm: Crm, corpus: Corpus) -> None:
    """No real message fails the statements; a second full sync changes no row."""
    files = [*corpus("mail/**/*"), *corpus("bounces/*.eml")]
    batch = read_all(
        incoming(path.read_bytes(), f"{path.parent.name}/{path.name}", provider_thread_id=path.name)
        for path in files
        if path.name != "LICENSE"
    )
    async with crm.transaction() as tx:
        first = await store_messages(tx, crm.connection_id, batch)
        before = await tx.fetch(STATE)
    async with crm.transaction() as tx:
        second = await store_messages(tx, crm.connection_id, batch)
        after = await tx.fetch(STATE)
    assert len(first.written) + first.refused_count == len(batch)
    assert first.refused_count <= len(batch) // 50
    assert second.written == ()
    assert before == after

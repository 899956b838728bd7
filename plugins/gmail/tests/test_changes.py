from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from crmd.testing.sandbox import StoredMessage
    from tests.conftest import Office


class LateMessages(dict[str, "StoredMessage"]):
    """A mailbox that gives one message out in an older state, once, as to somebody who asked before it changed."""

    def __init__(self, messages: dict[str, StoredMessage], older: StoredMessage) -> None:
        super().__init__(messages)
        self.older: StoredMessage | None = older

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 - as dict has it
        """The message, or what it was before."""
        older, self.older = self.older, None
        return older if older is not None and key == older.id else super().get(key, default)


pytestmark = pytest.mark.crmd_plugins("crm", "gmail")


async def test_first_contact(office: Office) -> None:
    """A connection without a cursor gets its first sync at once; connecting an account starts it by itself."""
    wanted = office.account.mailbox.add(office.mail(1)).id
    jobs = await office.workbench.drain()
    assert [job.type for job in jobs] == ["sync-emails-incremental", "sync-emails-initial", "process-email-batch"]
    assert jobs[0].result["by"] == "initial"
    assert set(await office.messages()) == {wanted}


async def test_added(office: Office) -> None:
    """New mail shows after one sync, and is told of as received or sent; drafts and spam are stored in silence."""
    await office.run("sync-emails-initial")
    mailbox = office.account.mailbox
    inbound, outbound = mailbox.add(office.mail(1)).id, mailbox.add(office.mail(2), ["SENT"]).id
    draft, spam = mailbox.add(office.mail(3), ["DRAFT"]).id, mailbox.add(office.mail(4), ["SPAM"]).id
    done = await office.sync()
    assert (done.status, done.result["by"], done.result["stored"]) == ("completed", "history", 4)
    assert set(await office.messages()) == {inbound, outbound, draft, spam}
    assert [told["providerId"] for told in await office.workbench.events("email.received")] == [inbound]
    assert [told["providerId"] for told in await office.workbench.events("email.sent")] == [outbound]
    assert len(await office.workbench.events("email.synced")) == 4
    assert await office.cursor() == f'"{mailbox.history_id}"'


async def test_deleted_and_relabelled(office: Office) -> None:
    """Deletions, labels and read state at the provider show after one sync; trash is a label."""
    mailbox = office.account.mailbox
    ids = [mailbox.add(office.mail(number)).id for number in range(6)]
    await office.run("sync-emails-initial")
    mailbox.delete(ids[0])
    mailbox.mark_read(ids[1])
    mailbox.trash(ids[2])
    mailbox.label(ids[3], add=["STARRED", "Kunden"], remove=["INBOX"])
    mailbox.mark_read(ids[4])
    mailbox.label(ids[4], add=["UNREAD"])
    done = await office.sync()
    assert (done.result["gone"], done.result["relabelled"]) == (1, 4)
    stored = await office.messages()
    assert stored == {message.id: set(message.labels) for message in mailbox.messages.values()}
    unread = await office.fetch("SELECT provider_id FROM crm.message WHERE is_unread")
    assert {row["provider_id"] for row in unread} == {ids[2], ids[3], ids[4], ids[5]}
    assert await office.fetch("SELECT FROM crm.thread WHERE message_count <> 1") == []


async def test_added_and_deleted_in_one_stretch(office: Office) -> None:
    """Mail that came and went between two syncs leaves nothing behind, also when the pages of history cut it in two."""
    await office.run("sync-emails-initial")
    office.configure(page_max=1)
    mailbox = office.account.mailbox
    mailbox.delete(mailbox.add(office.mail(1)).id)
    stays = mailbox.add(office.mail(2))
    mailbox.label(stays.id, add=["STARRED"])
    done = await office.sync()
    assert done.status == "completed"
    assert await office.messages() == {stays.id: {"INBOX", "UNREAD", "STARRED"}}


async def test_nothing_new(office: Office) -> None:
    """A sync without changes asks once, changes no row and says that the connection is fresh."""
    office.account.mailbox.add(office.mail(1))
    await office.run("sync-emails-initial")
    before, asked = await office.versions(), len(office.sandbox.log.paths())
    done = await office.sync()
    assert done.result["stored"] == done.result["relabelled"] == done.result["gone"] == 0
    assert await office.versions() == before
    assert [path.rpartition("/")[2] for path in office.sandbox.log.paths()[asked:]] == ["history"]


async def test_many_pages(office: Office) -> None:
    """Pages of history are applied one after the other, and the cursor ends at the newest change."""
    await office.run("sync-emails-initial")
    office.configure(page_max=3, batch_max=2)
    mailbox = office.account.mailbox
    ids = [mailbox.add(office.mail(number)).id for number in range(8)]
    mailbox.delete(ids[3])
    mailbox.mark_read(ids[7])
    await office.sync()
    assert await office.messages() == {message.id: set(message.labels) for message in mailbox.messages.values()}
    assert await office.cursor() == f'"{mailbox.history_id}"'


async def test_a_message_gone_meanwhile(office: Office) -> None:
    """An older state that is stored after its deletion was told is not stored: what is gone stays gone."""
    mailbox = office.account.mailbox
    gone, read = mailbox.add(office.mail(1)), mailbox.add(office.mail(2))
    await office.run("sync-emails-initial")
    mailbox.delete(gone.id)
    await office.sync()
    mailbox.messages[gone.id] = gone  # a batch that fetched it before the deletion comes late
    mailbox.messages[read.id] = read
    done = await office.run("process-email-batch", messageIds=[gone.id, read.id])
    assert (done.status, done.result["gone"], done.result["unchanged"]) == ("completed", 1, 1)
    assert set(await office.messages()) == {read.id}


async def test_an_older_state_is_fetched_again(office: Office) -> None:
    """A message that was relabelled between its fetching and its storing ends with the newer labels."""
    mailbox = office.account.mailbox
    older = mailbox.add(office.mail(1))
    listing = await office.workbench.enqueue("sync-emails-initial", office.payload)
    await office.workbench.attempt(listing.id)
    newer = mailbox.mark_read(older.id)
    changes = await office.workbench.enqueue("sync-emails-incremental", office.payload)
    await office.workbench.attempt(changes.id)  # finds no row to relabel
    rows = await office.fetch("SELECT provider_id, history_id FROM gmail.told")
    assert [(row["provider_id"], row["history_id"]) for row in rows] == [(older.id, newer.history_id)]
    mailbox.messages = LateMessages(mailbox.messages, older)
    await office.workbench.drain()
    assert await office.messages() == {older.id: {"INBOX"}}
    assert await office.fetch("SELECT FROM gmail.told") == []


async def test_an_old_state_for_ever_is_taken(office: Office) -> None:
    """If Gmail goes on numbering a message lower than its history did, it is stored after the second look."""
    mailbox = office.account.mailbox
    older = mailbox.add(office.mail(1))
    listing = await office.workbench.enqueue("sync-emails-initial", office.payload)
    await office.workbench.attempt(listing.id)
    mailbox.mark_read(older.id)
    changes = await office.workbench.enqueue("sync-emails-incremental", office.payload)
    await office.workbench.attempt(changes.id)
    mailbox.messages[older.id] = older
    await office.workbench.drain()
    assert set(await office.messages()) == {older.id}


async def test_expired_history(office: Office) -> None:
    """A cursor that Gmail no longer knows is made good: mail added, deleted and relabelled meanwhile all shows."""
    mailbox = office.account.mailbox
    ids = [mailbox.add(office.mail(number)).id for number in range(7)]
    await office.run("sync-emails-initial")
    mailbox.delete(ids[0])
    mailbox.mark_read(ids[1])
    mailbox.trash(ids[2])
    late = mailbox.add(office.mail(9)).id
    mailbox.expire_history()
    office.configure(page_max=2, batch_max=3)
    done = await office.sync()
    assert (done.status, done.result["by"]) == ("completed", "resync")
    assert (done.result["stored"], done.result["gone"], done.result["relabelled"]) == (1, 1, 2)
    assert late in await office.messages()
    assert await office.messages() == {message.id: set(message.labels) for message in mailbox.messages.values()}
    assert await office.cursor() == f'"{mailbox.history_id}"'
    assert (await office.sync()).result["by"] == "history"


async def test_expired_history_of_old_mail(office: Office) -> None:
    """With a window that begins before Gmail could count, the oldest mail is compared as well."""
    mailbox, day = office.account.mailbox, datetime(1999, 1, 4, tzinfo=UTC)
    lost, kept = (mailbox.add(office.mail(number), internal_date=day) for number in range(2))
    await office.run("sync-emails-initial", startDate="1970-01-01")
    mailbox.delete(lost.id)
    mailbox.mark_read(kept.id)
    mailbox.expire_history()
    office.configure(resync_days=36_500)
    assert (await office.sync()).status == "completed"
    assert await office.messages() == {kept.id: {"INBOX"}}


async def test_a_comparison_keeps_to_the_start(office: Office) -> None:
    """Mail that the owner left out of the first sync stays out when a mailbox is compared."""
    mailbox = office.account.mailbox
    for day in range(4, 9):
        mailbox.add(office.mail(day), internal_date=datetime(2026, 6, day, 12, tzinfo=UTC))
    enqueued = await office.workbench.enqueue("sync-emails-initial", {**office.payload, "startDate": "2026-06-07"})
    await office.workbench.attempt(enqueued.id)
    await office.workbench.drain()
    before = await office.messages()
    assert len(before) == 2
    mailbox.expire_history()
    late = mailbox.add(office.mail(20), internal_date=datetime.now(UTC)).id
    mailbox.expire_history()
    assert (await office.sync()).result["by"] == "resync"
    assert set(await office.messages()) == {*before, late}
    assert [told["providerId"] for told in await office.workbench.events("email.received")] == [late]


async def test_cursor_of_no_use(office: Office) -> None:
    """A cursor that is no number at all is made good in the same way."""
    wanted = office.account.mailbox.add(office.mail(1)).id
    await office.run("sync-emails-initial")
    await office.fetch("UPDATE crmd.cursor SET value = '\"7x\"' WHERE name = 'history'")
    done = await office.sync()
    assert (done.status, done.result["by"]) == ("completed", "resync")
    assert set(await office.messages()) == {wanted}


async def test_round(office: Office) -> None:
    """A round starts a sync for each connection that was not synced a moment ago, and reports their sum."""
    await office.workbench.drain()
    assert (await _round(office)) == (0, 0)
    await office.workbench.clock.advance(11 * 60)
    office.account.mailbox.add(office.mail(1))
    assert (await _round(office)) == (1, 1)
    assert len(await office.messages()) == 1


async def test_round_goes_on_beside_a_lost_grant(office: Office) -> None:
    """A mailbox that waits for its owner's consent doesn't keep later rounds from starting."""
    await office.workbench.drain()
    office.sandbox.grants.revoke(office.account.refresh_token)
    for _ in range(2):
        await office.workbench.clock.advance(15 * 60)
        await office.workbench.tick()
        jobs = await office.workbench.drain()
        assert "sync-gmail" in [job.type for job in jobs]


async def _round(office: Office) -> tuple[int, int]:
    enqueued = await office.workbench.enqueue("sync-gmail")
    await office.workbench.drain()
    done = await office.workbench.finished(enqueued.id)
    return done.result["due"], done.result["started"]

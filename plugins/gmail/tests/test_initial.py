from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from crmd.testing import demo_mailbox
from crmd.testing.sandbox import faults

if TYPE_CHECKING:
    from tests.conftest import Office

pytestmark = pytest.mark.crmd_plugins("crm", "gmail")


async def test_full_sync(office: Office) -> None:
    """A first sync stores every message of a mailbox, with labels and threads, and takes the cursor."""
    count = demo_mailbox.deliver(office.account.mailbox)
    history_id = office.account.mailbox.history_id
    done = await office.run("sync-emails-initial")
    assert (done.status, done.result["listed"]) == ("completed", count)
    assert done.result["children"]["sums"]["stored"] + done.result["children"]["sums"]["quarantined"] == count
    stored = await office.messages()
    assert len(stored) + len(await office.quarantine()) == count
    wanted = {message.id: set(message.labels) for message in office.account.mailbox.messages.values()}
    assert {key: wanted[key] for key in stored} == stored
    assert await office.cursor() == f'"{history_id}"'
    assert await office.bad_jobs() == []
    assert office.sandbox.log.violations == []


async def test_second_full_sync_changes_no_row(office: Office) -> None:
    """A second full sync leaves every row of the CRM physically untouched, and the cursor where it is."""
    demo_mailbox.deliver(office.account.mailbox)
    await office.run("sync-emails-initial")
    before, cursor = await office.versions(), await office.cursor()
    again = await office.run("sync-emails-initial", batchSize=70)
    assert (again.status, again.result["children"]["sums"]["stored"]) == ("completed", 0)
    assert again.result["children"]["sums"]["updated"] == 0
    assert await office.versions() == before
    assert await office.cursor() == cursor


async def test_second_full_sync_keeps_the_cursor(office: Office) -> None:
    """A deletion between two full syncs is not skipped: the cursor stays, and the next sync of changes finds it."""
    kept, lost = (office.account.mailbox.add(office.mail(number)) for number in range(2))
    await office.run("sync-emails-initial")
    office.account.mailbox.delete(lost.id)
    await office.run("sync-emails-initial")
    assert (await office.sync()).result["gone"] == 1
    assert set(await office.messages()) == {kept.id}


async def test_pages_and_batches(office: Office) -> None:
    """Small pages and batches bring in the same as big ones; each page is asked for once."""
    wanted = {office.account.mailbox.add(office.mail(number)).id for number in range(23)}
    office.configure(page_max=10, batch_max=3)
    done = await office.run("sync-emails-initial", batchSize=4)
    assert done.result["batches"] == 3 + 3 + 1
    assert done.progress == {"done": 23, "total": 23}
    assert set(await office.messages()) == wanted
    listings = [path for path in office.sandbox.log.paths() if path.endswith("/messages")]
    assert len(listings) == 3


async def test_empty_mailbox(office: Office) -> None:
    """An empty mailbox is synced as well: there is a cursor, and no batch."""
    done = await office.run("sync-emails-initial")
    assert (done.status, done.result) == ("completed", {"listed": 0, "batches": 0})
    assert await office.cursor() is not None


async def test_start_date(office: Office) -> None:
    """Mail before the start date is left out; the default start is two years back."""
    old = office.account.mailbox.add(office.mail(1), internal_date=datetime(2016, 1, 4, tzinfo=UTC))
    await office.run("sync-emails-initial")
    assert await office.messages() == {}
    await office.run("sync-emails-initial", startDate="2016-01-01")
    assert set(await office.messages()) == {old.id}


async def test_changes_during_the_listing_are_not_lost(office: Office) -> None:
    """What changes after the cursor was taken shows after the first sync of changes, whoever stored the message."""
    mailbox = office.account.mailbox
    ids = [mailbox.add(office.mail(number)).id for number in range(3)]
    enqueued = await office.workbench.enqueue("sync-emails-initial", office.payload)
    await office.workbench.attempt(enqueued.id)  # listed, not fetched yet
    mailbox.delete(ids[0])
    mailbox.mark_read(ids[1])
    late = mailbox.add(office.mail(9)).id
    await office.sync()
    assert await office.messages() == {ids[1]: {"INBOX"}, ids[2]: {"INBOX", "UNREAD"}, late: {"INBOX", "UNREAD"}}


async def test_events(office: Office) -> None:
    """Each new message is told of once as email.synced; old mail is not told of as just received."""
    message = office.account.mailbox.add(office.mail(1))
    await office.run("sync-emails-initial")
    office.account.mailbox.mark_read(message.id)
    again = await office.run("sync-emails-initial")
    assert again.result["children"]["sums"]["updated"] == 1
    [told] = await office.workbench.events("email.synced")
    [row] = await office.fetch("SELECT id::text, thread_id::text FROM crm.message")
    assert (told["emailId"], told["threadId"], told["connectionId"]) == (
        row["id"],
        row["thread_id"],
        str(office.connection_id),
    )
    assert (told["direction"], told["kind"]) == ("inbound", "mail")
    assert await office.workbench.events("email.received") == []


async def test_bad_page_token(office: Office) -> None:
    """A page token that Gmail no longer accepts begins the listing again and brings in everything."""
    wanted = {office.account.mailbox.add(office.mail(number)).id for number in range(5)}
    office.configure(page_max=2)
    office.sandbox.faults.next(
        faults.Fault(400, "invalidArgument", "Invalid pageToken"), path="/messages$", where="request", skip=1
    )
    done = await office.run("sync-emails-initial")
    assert done.status == "completed"
    assert set(await office.messages()) == wanted
    assert office.sandbox.faults.left() == 0


async def test_no_person_behind_the_bytes(office: Office) -> None:
    """Bytes that can't be a message are put in quarantine with the reason, and the sync goes on."""
    empty = office.account.mailbox.add(b"\r\n").id
    good = office.account.mailbox.add(office.mail(1)).id
    office.configure(message_bytes_max=5_000)
    large = office.account.mailbox.add(office.mail(2) + b"x" * 6_000).id
    done = await office.run("sync-emails-initial")
    assert done.result["children"]["sums"]["quarantined"] == 2
    assert set(await office.messages()) == {good}
    reasons = await office.quarantine()
    assert set(reasons) == {empty, large}
    assert "more than the 5000 that are read" in reasons[large]
    assert await office.bad_jobs() == []


async def test_own_mail_is_outbound(office: Office) -> None:
    """Sent mail is outbound, also when it was sent past Gmail; spam that pretends to be the owner's is not."""
    mailbox = office.account.mailbox
    sent = mailbox.add(office.mail(1), ["SENT"]).id
    own = mailbox.add(office.mail(2).replace(b"ada@engine.example", b"Jana@NordWerk.example"), ["INBOX"]).id
    spam = mailbox.add(office.mail(3).replace(b"ada@engine.example", b"jana@nordwerk.example"), ["SPAM"]).id
    await office.run("sync-emails-initial")
    rows = await office.fetch("SELECT provider_id, direction FROM crm.message")
    assert {row["provider_id"]: row["direction"] for row in rows} == {
        sent: "outbound",
        own: "outbound",
        spam: "inbound",
    }

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crmd.testing.crashing import crashing

if TYPE_CHECKING:
    from crmd.testing.sandbox import Mailbox
    from tests.conftest import Office

pytestmark = pytest.mark.crmd_plugins("crm", "gmail")
MESSAGES = 7
SMALL = {"page_max": 3, "batch_max": 2}


@pytest.mark.parametrize("is_committed", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3, 4, 5, 6, 7])
async def test_initial(office: Office, at: int, is_committed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A first sync that is broken at any of its transactions ends with every message stored and told of once."""
    await office.fetch("DELETE FROM crmd.job")
    wanted = {office.account.mailbox.add(office.mail(number)).id for number in range(MESSAGES)}
    history_id = office.account.mailbox.history_id
    office.configure(**SMALL)
    with crashing(at, is_committed=is_committed) as plan:
        await office.run("sync-emails-initial", batchSize=2)
    assert plan.is_hit
    assert set(await office.messages()) == wanted
    assert sorted(told["providerId"] for told in await office.workbench.events("email.synced")) == sorted(wanted)
    assert await office.cursor() == f'"{history_id}"'
    assert await office.bad_jobs() == []


@pytest.mark.parametrize("is_committed", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3, 4, 5, 6, 7])
async def test_changes(office: Office, at: int, is_committed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A sync of changes that is broken at any of its transactions ends with the mailbox as it is at the provider."""
    mailbox = await changed(office)
    with crashing(at, is_committed=is_committed) as plan:
        done = await office.sync()
    assert (plan.is_hit, done.status, done.result["by"]) == (True, "completed", "history")
    await expect(office, mailbox)


@pytest.mark.parametrize("is_committed", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 4, 6, 8, 10])
async def test_resync(office: Office, at: int, is_committed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A comparison after an expired cursor that is broken anywhere ends with the mailbox as it is at the provider."""
    mailbox = await changed(office)
    mailbox.expire_history()
    with crashing(at, is_committed=is_committed) as plan:
        done = await office.sync()
    assert (plan.is_hit, done.status, done.result["by"]) == (True, "completed", "resync")
    await expect(office, mailbox)


async def test_no_page_is_listed_twice(office: Office) -> None:
    """A first sync that is broken after a page goes on with the next one."""
    await office.fetch("DELETE FROM crmd.job")
    for number in range(MESSAGES):
        office.account.mailbox.add(office.mail(number))
    office.configure(**SMALL)
    with crashing(2, is_committed=True):
        done = await office.run("sync-emails-initial", batchSize=2)
    assert (done.attempt, done.result["listed"]) == (2, MESSAGES)
    assert len([path for path in office.sandbox.log.paths() if path.endswith("/messages")]) == 3


async def changed(office: Office) -> Mailbox:
    """A synced mailbox in which then something of everything happens."""
    mailbox = office.account.mailbox
    ids = [mailbox.add(office.mail(number)).id for number in range(MESSAGES)]
    await office.run("sync-emails-initial")
    office.configure(**SMALL)
    mailbox.delete(ids[0])
    mailbox.mark_read(ids[1])
    added = [mailbox.add(office.mail(20 + number)) for number in range(3)]
    mailbox.trash(ids[2])
    mailbox.label(added[0].id, add=["STARRED"])
    mailbox.delete(added[1].id)
    return mailbox


async def expect(office: Office, mailbox: Mailbox) -> None:
    """What is stored is what the mailbox holds, each message told of once."""
    assert await office.messages() == {message.id: set(message.labels) for message in mailbox.messages.values()}
    assert await office.cursor() == f'"{mailbox.history_id}"'
    told = [event["providerId"] for event in await office.workbench.events("email.synced")]
    assert len(told) == len(set(told))
    assert await office.fetch("SELECT FROM crm.thread t WHERE message_count <> 1") == []

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crmd.testing import demo_mailbox

if TYPE_CHECKING:
    from conftest import Office

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

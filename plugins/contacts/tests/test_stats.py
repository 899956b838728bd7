from __future__ import annotations

from typing import TYPE_CHECKING

import crmd_contacts
import crmd_crm
import pytest

if TYPE_CHECKING:
    from crmd.testing.workbench import Workbench
    from tests.conftest import MailFrom, Office

pytestmark = pytest.mark.crmd_plugins(crmd_crm, crmd_contacts)

JANE = "Jane Doe <jane.doe@brightwater.example>"
STATS = "SELECT contact_id, sent, received, meetings, last_interaction_at FROM contacts.contact_stats"


async def test_mail_that_is_read_counts_once(office: Office, workbench: Workbench, mail_from: MailFrom) -> None:
    """Each message counts with the contact that it came from or went to, however often it is read."""
    received = [mail_from(JANE, "hello", day=day) for day in (1, 3)]
    sent = mail_from("Me <me@ours.example>", "hello", to=[JANE], day=2)
    for mail in (*received, sent):
        await office.store(mail)
    async with office.transaction() as tx:
        await tx.execute("UPDATE crm.message SET direction = 'outbound' WHERE id = $1", sent.message_id)
    for mail in (*received, sent, sent, received[0]):
        payload = {"emailId": str(mail.message_id), "force": True}
        done = await workbench.run_job("extract-contacts", payload, workspace_id=office.workspace_id)
        assert done.status == "completed", done.message
    await workbench.project()
    rows = {row["contact_id"]: row for row in await office.fetch(STATS)}
    [jane] = await office.fetch(
        "SELECT contact_id FROM crm.contact_email WHERE address = 'jane.doe@brightwater.example'"
    )
    stats = rows[jane["contact_id"]]
    assert (stats["sent"], stats["received"], stats["meetings"]) == (1, 2, 0)
    assert stats["last_interaction_at"] == received[1].received_at

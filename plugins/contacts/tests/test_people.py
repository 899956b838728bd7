from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING
from uuid import uuid4

import crmd_contacts
import crmd_crm
import pytest
from crmd_contacts.people import SQL

if TYPE_CHECKING:
    from crmd_contacts.mail import Mail

    from crmd.testing.workbench import Workbench
    from tests.conftest import MailFrom, Office

pytestmark = pytest.mark.crmd_plugins(crmd_crm, crmd_contacts)

JANE = "Jane Doe <jane.doe@brightwater.example>"
SIGNED = "Hi\n\nBest regards,\n\nJane Doe\nHead of Sales\nBrightwater Ltd\nTel: +44 20 7946 0958"
PROMOTED = "Hi\n\nBest regards,\n\nJane Doe\nManaging Director\nBrightwater Ltd\nTel: +44 20 7946 0111"
AT_HOME = "Hi\n\nCheers,\n\nJane Doe\nBrightwater Ltd\nTel: +44 20 7946 0958"


async def test_signed_mail_makes_a_contact_with_company_title_and_phone(office: Office, mail_from: MailFrom) -> None:
    """A signed message makes its sender a contact with all that the signature says."""
    await office.read(mail_from(JANE, SIGNED))
    assert await office.people() == [
        {
            "full_name": "Jane Doe",
            "title": "Head of Sales",
            "company": "Brightwater Ltd",
            "domain": "brightwater.example",
            "addresses": ["jane.doe@brightwater.example *"],
            "phones": ["+442079460958 work"],
            "links": [],
        }
    ]
    assert [event for event, _ in office.events] == ["contact.created"]


async def test_reading_all_mail_again_changes_no_row(office: Office, mail_from: MailFrom) -> None:
    """A second run over the same messages, forced or not, writes no row and emits no event."""
    mails = [mail_from(JANE, SIGNED, to=["Bob Ray <bob@ray.example>"]), mail_from(JANE, PROMOTED, day=1)]
    await office.read(*mails)
    before, told = await office.versions(), len(office.events)
    for mail in mails:
        assert (await office.extract(mail.message_id)).skipped
        await office.extract(mail.message_id, force=True)
    assert await office.versions() == before
    assert len(office.events) == told


def _story(mail_from: MailFrom) -> list[Mail]:
    return [
        mail_from(JANE, SIGNED, day=0),
        mail_from(JANE, PROMOTED, to=["bob.ray@brightwater.example"], day=9),
        mail_from("Jane Doe <jane@gmail.com>", AT_HOME, day=4),
        mail_from("Bob Ray <bob.ray@brightwater.example>", "ok", to=["J. Doe <jane.doe@brightwater.example>"], day=5),
    ]


async def test_order_of_messages_does_not_matter(office: Office, mail_from: MailFrom) -> None:
    """Whatever the order in which messages are read, the same people stand there in the end."""
    found = []
    for order in permutations(range(4)):
        office.workspace_id = uuid4()
        story = _story(mail_from)
        await office.read(*(story[index] for index in order))
        found.append(await office.people())
    assert all(people == found[0] for people in found)
    assert [person["full_name"] for person in found[0]] == ["Bob Ray", "Jane Doe"]
    assert found[0][1]["title"] == "Managing Director"
    assert found[0][1]["addresses"] == ["jane.doe@brightwater.example *", "jane@gmail.com"]


async def test_what_a_person_edited_is_never_overwritten(office: Office, mail_from: MailFrom) -> None:
    """Fields that somebody edited stay; the others go on following the mail."""
    await office.read(mail_from(JANE, SIGNED))
    await office.fetch(
        "UPDATE crm.contact SET title = 'Queen', edited_fields = '{title,phones}'"
        " WHERE merged_into IS NULL RETURNING id"
    )
    await office.read(mail_from(JANE, PROMOTED.replace("Brightwater Ltd", "Brightwater Ltd\nwww.jane.dev"), day=3))
    person = (await office.people())[0]
    assert (person["title"], person["phones"]) == ("Queen", ["+442079460958 work"])
    assert person["links"] == ["https://www.jane.dev"]


async def test_another_workspace_sees_and_gets_nothing(office: Office, mail_from: MailFrom) -> None:
    """What one workspace's mail says stays in it."""
    await office.read(mail_from(JANE, SIGNED))
    other = type(office)(office.pool)
    assert await other.people() == []
    await other.read(mail_from("Jane Doe <jane@gmail.com>", AT_HOME))
    assert len(await other.people()) == 1
    assert len(await office.people()) == 1


async def test_company_is_called_what_most_of_its_people_sign(office: Office, mail_from: MailFrom) -> None:
    """A company is made from the domain and named by its people's signatures, whoever writes first."""
    await office.read(
        mail_from("Zoe Hill <zoe.hill@brightwater.example>"),
        mail_from("Tom Reed <tom.reed@brightwater.example>", SIGNED.replace("Jane Doe", "Tom Reed"), day=1),
        mail_from("Amy Fox <amy.fox@brightwater.example>", SIGNED.replace("Jane Doe", "Amy Fox"), day=2),
        mail_from(JANE, SIGNED.replace("Brightwater Ltd", "Brightwater"), day=3),
    )
    assert {person["company"] for person in await office.people()} == {"Brightwater Ltd"}


async def test_a_message_that_is_gone_is_no_failure(office: Office, mail_from: MailFrom) -> None:
    """A job for a message that was removed meanwhile ends well and says so."""
    assert "no longer exists" in (await office.extract(mail_from(JANE).message_id)).skipped


async def test_a_bounce_makes_no_people(office: Office, mail_from: MailFrom) -> None:
    """Machines' mail makes nobody, and is read like any other once it turns out to be a person's."""
    mail = mail_from(JANE, SIGNED, kind="bounce")
    await office.read(mail)
    assert await office.people() == []
    await office.fetch("UPDATE crm.message SET kind = 'mail' RETURNING id")
    await office.extract(mail.message_id)
    assert len(await office.people()) == 1


async def test_users_of_the_crm_are_no_contacts(office: Office, mail_from: MailFrom) -> None:
    """Who works in the CRM is a user and is not made a contact as well."""
    await office.fetch(
        "WITH made AS (INSERT INTO crm.workspace (workspace_id, name) VALUES ($1, 'Quay') RETURNING workspace_id)"
        " INSERT INTO crm.app_user (workspace_id, email)"
        " SELECT workspace_id, 'jane.doe@brightwater.example' FROM made RETURNING id",
        office.workspace_id,
    )
    await office.read(mail_from(JANE, SIGNED, to=["Bob Ray <bob@ray.example>"]))
    assert [person["full_name"] for person in await office.people()] == ["Bob Ray"]


async def test_every_statement_can_be_prepared(office: Office) -> None:
    """Each statement fits the migrated schema and opens with the reason why it exists."""
    async with office.transaction() as tx:
        for name, text in SQL:
            assert text.startswith("-- "), name
            await tx.prepare(text)  # type: ignore[attr-defined]  # the test's transaction wraps a connection


async def test_the_daemon_itself_runs_the_job(workbench: Workbench) -> None:
    """Under its alias and with camelCase payload the job runs as any other, and an unknown message ends it well."""
    done = await workbench.run_job("contact-extraction", {"emailId": str(uuid4())})
    assert (done.status, done.message) == ("completed", "")
    assert "no longer exists" in done.result["skipped"]


async def test_a_mailbox_owner_is_no_contact(office: Office, mail_from: MailFrom) -> None:
    """Whose mailbox is read is not made a contact of its own."""
    await office.connect("Jane.Doe@brightwater.example")
    await office.read(mail_from(JANE, SIGNED, to=["Bob Ray <bob@ray.example>"]))
    assert [person["full_name"] for person in await office.people()] == ["Bob Ray"]


async def test_a_newer_message_that_says_nothing_new_changes_no_contact(office: Office, mail_from: MailFrom) -> None:
    """Another message with the same signature leaves the contact's rows as they are and tells nobody."""
    await office.read(mail_from(JANE, SIGNED))
    before, told = await office.versions(), len(office.events)
    await office.read(mail_from(JANE, SIGNED, day=1))
    after = await office.versions()
    for table in ("contact", "contact_email", "contact_phone", "company"):
        rows = [[row for row in versions if row.startswith(f"crm.{table} ")] for versions in (before, after)]
        assert rows[0] == rows[1]
    assert len(office.events) == told

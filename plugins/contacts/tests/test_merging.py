from __future__ import annotations

import asyncio
from itertools import permutations
from typing import TYPE_CHECKING
from uuid import uuid4

import crmd_contacts
import crmd_crm
import pytest

if TYPE_CHECKING:
    from tests.conftest import MailFrom, Office

pytestmark = pytest.mark.crmd_plugins(crmd_crm, crmd_contacts)

JANE = "Jane Doe <jane.doe@brightwater.example>"
SIGNED = "Hi\n\nBest regards,\n\nJane Doe\nHead of Sales\nBrightwater Ltd\nTel: +44 20 7946 0958"
AT_HOME = "Hi\n\nCheers,\n\nJane Doe\nBrightwater Ltd\nTel: +44 20 7946 0958"


async def test_jobs_side_by_side_make_no_duplicates(office: Office, mail_from: MailFrom) -> None:
    """Jobs that meet one person at the same moment make one contact."""
    mails = [mail_from(JANE, SIGNED, to=["Bob Ray <bob@ray.example>"], day=day) for day in range(12)]
    ids = [await office.store(mail) for mail in mails]
    await asyncio.gather(*(office.extract(each) for each in ids))
    assert [person["full_name"] for person in await office.people()] == ["Bob Ray", "Jane Doe"]
    created = [event for event, _ in office.events if event == "contact.created"]
    assert len(created) == 2


async def test_merge_keeps_old_ids_resolvable_and_tells_why(office: Office, mail_from: MailFrom) -> None:
    """Two contacts found to be one leave a pointer, a log entry and an event."""
    await office.read(
        mail_from("Jane Doe <jane@gmail.com>"), mail_from(JANE, SIGNED), mail_from("Jane Doe <jane@gmail.com>", AT_HOME)
    )
    merged = await office.fetch("SELECT kept_id, merged_id, reason, score FROM crm.contact_merge")
    assert [(row["reason"], row["score"]) for row in merged] == [("phone", 1.0)]
    pointer = await office.fetch("SELECT merged_into FROM crm.contact WHERE id = $1", merged[0]["merged_id"])
    assert pointer[0]["merged_into"] == merged[0]["kept_id"]
    assert "contact.merged" in [event for event, _ in office.events]
    assert len(await office.people()) == 1


async def test_entered_contact_is_found_by_phone_and_keeps_what_was_typed(office: Office, mail_from: MailFrom) -> None:
    """A contact that a person typed in is recognised by number and name, and keeps its own words."""
    await office.fetch(
        "WITH made AS (INSERT INTO crm.contact (workspace_id, full_name, title) VALUES ($1, 'Jane Doe', 'Boss')"
        " RETURNING workspace_id, id) INSERT INTO crm.contact_phone (workspace_id, contact_id, number)"
        " SELECT workspace_id, id, '+442079460958' FROM made RETURNING number",
        office.workspace_id,
    )
    await office.read(mail_from(JANE, SIGNED))
    people = await office.people()
    assert [(person["full_name"], person["title"]) for person in people] == [("Jane Doe", "Boss")]
    assert people[0]["addresses"] == ["jane.doe@brightwater.example *"]


async def test_colleagues_at_one_switchboard_stay_apart(office: Office, mail_from: MailFrom) -> None:
    """A shared number does not make one person of colleagues."""
    await office.read(
        mail_from(JANE, SIGNED),
        mail_from("Tom Reed <tom.reed@brightwater.example>", SIGNED.replace("Jane Doe", "Tom Reed")),
    )
    assert [person["full_name"] for person in await office.people()] == ["Jane Doe", "Tom Reed"]


async def test_twins_read_side_by_side_are_still_merged(office: Office, mail_from: MailFrom) -> None:
    """Two addresses of one person, read at the same moment by different jobs, end as one contact."""
    names = [f"Jane Doe{letter}" for letter in "abcdefgh"]
    mails = [
        mail_from(f"{name} <{local}>", SIGNED.replace("Jane Doe", name).replace("0958", f"09{index}1"))
        for index, name in enumerate(names)
        for local in (f"j{index}x@brightwater.example", f"{name[-1]}jane@gmail.com")
    ]
    ids = [await office.store(mail) for mail in mails]
    await asyncio.gather(*(office.extract(each) for each in ids))
    assert [person["full_name"] for person in await office.people()] == names


async def test_a_sister_company_keeps_its_own_name_in_every_order(office: Office, mail_from: MailFrom) -> None:
    """Who signs as another legal entity of the domain belongs to it, whoever wrote first."""
    found = []
    for order in permutations(range(3)):
        office.workspace_id = uuid4()
        mails = [
            mail_from(f"{name} <{name.split()[0].lower()}@brightwater.example>", f"Best,\n{name}\nBuyer\n{company}")
            for name, company in (
                ("Amy Fox", "Brightwater Works GmbH"),
                ("Tom Reed", "Brightwater Works GmbH"),
                ("Zoe Hill", "Brightwater UK Ltd"),
            )
        ]
        await office.read(*(mails[index] for index in order))
        found.append([(person["full_name"], person["company"], person["domain"]) for person in await office.people()])
    assert all(people == found[0] for people in found)
    assert found[0] == [
        ("Amy Fox", "Brightwater Works GmbH", "brightwater.example"),
        ("Tom Reed", "Brightwater Works GmbH", "brightwater.example"),
        ("Zoe Hill", "Brightwater UK Ltd", None),
    ]


@pytest.mark.parametrize("is_private_first", [True, False])
async def test_no_company_is_left_without_people(
    office: Office, mail_from: MailFrom, *, is_private_first: bool
) -> None:
    """Whichever address a person is met by first, the same companies stand in the end: those that people belong to."""
    mails = [
        mail_from("Jane Doe <jane@doe-on-the-road.example>", AT_HOME, day=1),
        mail_from(JANE, SIGNED, day=2),
    ]
    await office.read(*(mails if is_private_first else reversed(mails)))
    assert len(await office.people()) == 1
    companies = await office.fetch("SELECT name, domain FROM crm.company")
    assert [(row["name"], row["domain"]) for row in companies] == [("Brightwater Ltd", "brightwater.example")]

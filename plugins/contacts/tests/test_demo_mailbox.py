from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import crmd_contacts
import crmd_crm
import pytest
from crmd_contacts.claim import claims_of
from crmd_contacts.mail import Mail, Party
from crmd_crm.mail import ParsedMail, classify, parse_message

from crmd.testing.demo_mailbox import answer_key, messages

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from crmd.testing.demo_mailbox import DemoMessage, Person
    from tests.conftest import Office

pytestmark = pytest.mark.crmd_plugins(crmd_crm, crmd_contacts)

RECALL_MIN = 0.95
PRECISION_MIN = 0.98


def _parties(parsed: ParsedMail) -> Iterable[Party]:
    roles = (("from", parsed.from_), ("reply_to", parsed.reply_to), ("to", parsed.to), ("cc", parsed.cc))
    return (Party(role, each.name, each.address) for role, listed in roles for each in listed if each.address)


def mail_of(message: DemoMessage) -> Mail:
    """A demo message as it is stored."""
    parsed = parse_message(message.raw)
    kind = classify(parsed).kind.value
    return Mail(
        uuid4(),
        kind,
        message.internal_date,
        parsed.subject,
        parsed.text,
        tuple(_parties(parsed)),
        tuple(message.labels),
    )


def _is_as_answered(found: dict[str, Any], person: Person) -> bool:
    if not found:
        return False
    numbers = sorted(phone.split()[0] for phone in found["phones"] if not phone.endswith("fax"))
    addresses = {address.removesuffix(" *") for address in found["addresses"]}
    return (
        found["full_name"] == person.name
        and found["company"] == person.company
        and found["title"] == person.title
        and numbers == sorted(person.phones)
        and addresses == set(person.addresses)
    )


@pytest.mark.slow
async def test_the_demo_mailbox_gives_its_people(office: Office) -> None:
    """At least 95 % of the mailbox's people come out as the answer key has them, 98 % of those found are real."""
    key = answer_key()
    await office.connect(key.owner.address)
    await office.read(*(mail_of(message) for message in messages()))
    people = await office.people()
    found = {address.removesuffix(" *"): person for person in people for address in person["addresses"]}
    right = [each for each in key.people if _is_as_answered(found.get(each.addresses[0], {}), each)]
    known = {address for person in key.people for address in person.addresses}
    real = [address for address in found if address in known]
    assert len(right) / len(key.people) >= RECALL_MIN
    assert len(real) / len(found) >= PRECISION_MIN
    assert not {each.address for each in key.not_people} & set(found)
    before = await office.versions()
    for row in await office.fetch("SELECT id FROM crm.message"):
        await office.extract(row["id"], force=True)
    assert await office.versions() == before


def test_no_machine_of_the_demo_mailbox_is_a_person() -> None:
    """Bounces, vacation replies, newsletters and role addresses make no claim at all."""
    key = answer_key()
    named = {claim.address for message in messages() for claim in claims_of(mail_of(message))}
    assert named & {each.address for each in key.not_people} <= {key.owner.address}

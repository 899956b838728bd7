"""The demo mailbox and its answer key agree with each other."""

from __future__ import annotations

import email
import email.policy
import re
from collections import Counter
from email.message import EmailMessage
from email.utils import getaddresses, parseaddr
from functools import cache

import phonenumbers
import pytest

from crmd.testing.demo_mailbox import DemoMessage, Person, answer_key, deliver, messages
from crmd.testing.sandbox.mailbox import Mailbox
from crmd.testing.sandbox.payload import body_bytes

TAG = re.compile(r"<[^<>]{0,2000}>")
DOMAIN = re.compile(r"@([A-Za-z0-9.-]{1,253})")
PEOPLE = pytest.mark.parametrize("person", answer_key().people, ids=lambda person: person.addresses[0])


def sender(message: DemoMessage) -> str:
    """Give the address a message is from, lower case."""
    return parseaddr(str(email.message_from_bytes(message.raw)["From"]))[1].lower()


def own_text(message: DemoMessage) -> str:
    """Give the readable text of all parts, tags taken out."""
    parts = [part for part in email.message_from_bytes(message.raw).walk() if part.get_content_maintype() == "text"]
    return TAG.sub("\n", "\n".join(body_bytes(part).decode("utf-8", "replace") for part in parts)).replace("&amp;", "&")


@cache
def by_sender() -> dict[str, list[DemoMessage]]:
    """Give the messages by the address they are from."""
    found: dict[str, list[DemoMessage]] = {}
    for message in messages():
        found.setdefault(sender(message), []).append(message)
    return found


def texts_of(person: Person) -> list[str]:
    """Give the texts of a person's messages, oldest first."""
    sent = [message for address in person.addresses for message in by_sender().get(address, [])]
    return [own_text(message) for message in sorted(sent, key=lambda message: message.internal_date)]


def digits(text: str) -> str:
    """Give only the digits."""
    return re.sub(r"\D", "", text)


def test_size_of_the_mailbox() -> None:
    """The mailbox holds 400 messages and 60 people in less than 2.5 MB."""
    assert len(messages()) == 400
    assert len(answer_key().people) == 60
    assert sum(len(message.raw) for message in messages()) < 2_500_000
    assert Counter(language for person in answer_key().people for language in person.languages).keys() == {"de", "en"}


def test_every_message_parses() -> None:
    """Each file is a message with a sender and at least one part, whatever state it is in."""
    for message in messages():
        parsed = email.message_from_bytes(message.raw, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        assert "@" in sender(message), message.file
        assert list(parsed.walk()), message.file


def test_messages_are_sorted_and_labelled() -> None:
    """Messages come oldest first with aware instants, and each has a label."""
    found = messages()
    assert [message.internal_date for message in found] == sorted(message.internal_date for message in found)
    assert all(message.internal_date.tzinfo and message.labels for message in found)
    assert {"INBOX", "SENT", "SPAM", "TRASH", "UNREAD", "Kunden"} <= {one for m in found for one in m.labels}


@PEOPLE
def test_every_address_of_a_person_writes(person: Person) -> None:
    """Each address in the key is the sender of at least one message."""
    assert all(by_sender().get(address) for address in person.addresses)


@PEOPLE
def test_phones_stand_in_the_persons_own_mail(person: Person) -> None:
    """Each phone in the key, former ones and fax too, is valid and shown in a message of that person."""
    numbers = [*person.phones, *person.formerly.phones, *([person.fax] if person.fax else [])]
    shown = [digits(text) for text in texts_of(person)]
    for number in numbers:
        parsed = phonenumbers.parse(number)
        assert phonenumbers.is_valid_number(parsed)
        assert any(str(parsed.national_number) in text for text in shown), number


@PEOPLE
def test_titles_and_companies_stand_in_the_mail(person: Person) -> None:
    """A title is shown in the person's newest signed message, and a former one in an older message."""
    texts = texts_of(person)
    company_shown = [text for text in texts if person.company in text]
    if person.title is not None:
        assert person.title in company_shown[-1]
    if person.formerly.title:
        assert any(person.formerly.title in text for text in company_shown[:-1])
    assert any(person.name.split()[0] in text for text in texts) or person.title is None


def test_nobody_is_named_twice_and_no_address_is_both() -> None:
    """Names and addresses are unique, and no address is a person and not a person."""
    key = answer_key()
    addresses = [address for person in key.people for address in person.addresses]
    assert len(set(addresses)) == len(addresses)
    assert len({person.name for person in key.people}) == 60
    assert not set(addresses) & {entry.address for entry in key.not_people}


def test_every_sender_is_in_the_key() -> None:
    """Each sender is a person, or is listed as not being one."""
    key = answer_key()
    known = {address for person in key.people for address in person.addresses}
    known |= {entry.address for entry in key.not_people}
    assert set(by_sender()) <= known


def test_shared_phones_are_switchboards() -> None:
    """A phone of two people is listed as a switchboard with exactly those people."""
    key = answer_key()
    holders: dict[str, set[str]] = {}
    for person in key.people:
        for phone in person.phones:
            holders.setdefault(phone, set()).add(person.name)
    shared = {phone: names for phone, names in holders.items() if len(names) > 1}
    assert shared == {board.phone: set(board.people) for board in key.switchboards}


def test_bounces_and_vacation_replies_are_what_they_claim() -> None:
    """Each listed bounce names its recipient, and each vacation reply says that it is automatic."""
    raw = {message.file: message.raw for message in messages()}
    key = answer_key()
    assert len(key.bounces) >= 10
    assert all(bounce.recipient.encode() in raw[bounce.file] for bounce in key.bounces)
    standard = [bounce for bounce in key.bounces if bounce.status]
    assert all(f"Status: {bounce.status}".encode() in raw[bounce.file] for bounce in standard)
    assert all(b"Auto-Submitted: auto-replied" in raw[reply.file] for reply in key.vacation_replies)


def test_only_reserved_domains_are_used() -> None:
    """Every address in every header and body ends in .example."""
    for message in messages():
        parsed = email.message_from_bytes(message.raw)
        fields = [str(value) for name in ("From", "To", "Cc", "Reply-To") for value in parsed.get_all(name, [])]
        found = [address for _, address in getaddresses(fields) if "@" in address]
        found += [f"@{domain}" for domain in DOMAIN.findall(own_text(message))]
        assert all(address.lower().rstrip(".").endswith(".example") for address in found), message.file


def test_threads_hold_together_in_the_sandbox() -> None:
    """In a Gmail mailbox the messages form threads: more than 150, and no long one falls apart."""
    box = Mailbox(answer_key().owner.address)
    assert deliver(box) == 400
    sizes = Counter(stored.thread_id for stored in box.messages.values())
    assert len(box.messages) == 400
    assert 150 < len(sizes) < 320
    answers = [stored for stored in box.messages.values() if stored.original.header("in-reply-to")]
    assert len(answers) > 100
    assert all(sizes[stored.thread_id] > 1 for stored in answers)

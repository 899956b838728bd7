from __future__ import annotations

import pytest
from crmd_contacts.address import can_be_person, normal_address
from crmd_contacts.domain import company_domain
from crmd_contacts.header_name import name_in_header

PEOPLE = [
    "jane.doe@acme.com",
    "jane@acme.com",
    "j.doe@acme.co.uk",
    "jdoe@acme.com",
    "anna-lena.meier@firma.de",
    "mueller@firma.de",
    "jane.doe+crm@gmail.com",
    "li.wei@dragon.cn",
    "jean-pierre@societe.fr",
    "peter2@gmail.com",
    "l.jenkins@acme.com",
    "j.guest@acme.com",
    "m.post@firma.de",
    "christina@acme.com",
    "alina.jansen@firma.nl",
    "newman@acme.com",
    "salesny@acme.com",
]
NOT_PEOPLE = [
    "info@acme.com",
    "sales@acme.com",
    "sales-emea@acme.com",
    "support+123@acme.com",
    "no-reply@acme.com",
    "noreply@acme.com",
    "do-not-reply@acme.com",
    "donotreply.billing@acme.com",
    "mailer-daemon@acme.com",
    "postmaster@acme.com",
    "hello@acme.com",
    "rechnung@firma.de",
    "rechnungen@firma.de",
    "buchhaltung@firma.de",
    "kundenservice@firma.de",
    "bewerbung@firma.de",
    "vertrieb.nord@firma.de",
    "kontakt@firma.de",
    "datenschutz@firma.de",
    "personalabteilung@firma.de",
    "zentrale@firma.de",
    "contabilidad@empresa.es",
    "ventas@empresa.es",
    "nepasrepondre@societe.fr",
    "comptabilite@societe.fr",
    "contact@societe.fr",
    "newsletter@shop.de",
    "news@news.shop.de",
    "team@startup.io",
    "billing@stripe.com",
    "notifications@github.com",
    "bounce-123=abc@lists.acme.com",
    "bounces+55-abcd-jane=acme.com@em.acme.com",
    "reply-3f2a9c0b7d1e4f5a@reply.github.com",
    "jane@reply.acme.com",
    "friends@googlegroups.com",
    "it-support@acme.com",
    "jobs@acme.com",
    "hr@acme.com",
    "office@acme.at",
    "bestellbestaetigung@shop.de",
    "paketankuendigung@dhl.de",
    "4915112345678@mms.de",
    "jane@mailinator.com",
    "webmaster@acme.com",
    "accounts.payable@acme.com",
    "press@acme.com",
]


@pytest.mark.parametrize("address", PEOPLE)
def test_personal_addresses_can_be_people(address: str) -> None:
    """An address made of a name or nickname may be a person's."""
    assert can_be_person(address)


@pytest.mark.parametrize("address", NOT_PEOPLE)
def test_functions_and_machines_are_no_people(address: str) -> None:
    """Role, list, throw-away and no-reply addresses never become people."""
    assert not can_be_person(address)


@pytest.mark.parametrize(
    ("display", "address", "shown"),
    [
        ("Jane Doe", "jane@acme.com", "Jane Doe"),
        ("", "jane.doe@acme.com", "Jane Doe"),
        ("jane.doe@acme.com", "jane.doe@acme.com", "Jane Doe"),
        ("", "anna-lena.von.meier@firma.de", "Anna-Lena Von Meier"),
        ("", "jdoe@acme.com", None),
        ("", "press.office@acme.com", None),
        ("Figma", "figs@figma.com", None),
        ("Brightwater Logistics", "hi@brightwater.example", None),
        ("Harbour Finch", "post@harbourfinch.com", None),
        ("Peter Schulz", "peter@schulz-bau.de", "Peter Schulz"),
        ("Anna", "anna.k@acme.com", "Anna"),
        ("Anna", "blue77@gmail.com", "Anna"),
        ("Anna from Acme", "anna@acme.com", None),
    ],
)
def test_a_header_names_a_person_or_nobody(display: str, address: str, shown: str | None) -> None:
    """A display name counts when it is a person's; without one only `first.last` addresses spell a name."""
    name, _ = name_in_header(display, address)
    assert (name.full if name else None) == shown


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("jane@mail.acme.co.uk", "acme.co.uk"),
        ("jane@acme.com", "acme.com"),
        ("jane@gmail.com", ""),
        ("jane@gmx.de", ""),
        ("jane@tutanota.com", ""),
        ("jane@brightwater.example", "brightwater.example"),
        ("jane@co.uk", ""),
        ("jane@localhost", ""),
        ("jane@[10.0.0.1]", ""),
    ],
)
def test_companies_stand_behind_registrable_domains(address: str, domain: str) -> None:
    """The company is the registrable domain; free-mail, literals and public suffixes are none."""
    assert company_domain(address) == domain


@pytest.mark.parametrize(
    "text", ["", "jane", "jane@", "@acme.com", "jane doe@acme.com", "a@b", "x" * 300 + "@acme.com", None]
)
def test_broken_addresses_are_no_addresses(text: str | None) -> None:
    """What can't be an address gives an empty string."""
    assert normal_address(text) == ""

"""The profile: what all claims about one person's addresses add up to. A pure function of the set of claims."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crmd_contacts.domain import company_domain
from crmd_contacts.person_name import PersonName, parse_name

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from crmd_contacts.claim import Claim

_LINKS_MAX = 6


@dataclass(frozen=True, slots=True)
class PhoneLine:
    """A number of a person, as in `crm.contact_phone`."""

    number: str
    extension: str
    kind: str
    raw: str


@dataclass(frozen=True, slots=True)
class CompanyRef:
    """A company as a person's claims tell it: its domain (maybe empty) and the name they sign with (maybe empty)."""

    domain: str
    name: str


@dataclass(frozen=True, slots=True)
class Profile:
    """A person as their mail shows them; empty where it shows nothing."""

    name: PersonName | None
    title: str
    company: CompanyRef | None
    primary_address: str
    phones: tuple[PhoneLine, ...]
    links: tuple[tuple[str, str], ...]


def profile_of(claims: Iterable[Claim]) -> Profile:
    """What the claims add up to. The newest wins; between equals the greater text, so that the answer is one."""
    by_field: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        by_field[claim.field].append(claim)
    primary = _primary_address(by_field)
    title = _newest(by_field["title"])
    return Profile(
        name=_name(by_field["name"]),
        title=title.value if title else "",
        company=_company(by_field["company"], primary),
        primary_address=primary,
        phones=_phones(by_field["phone"]),
        links=_links(by_field["link"]),
    )


def _newest(claims: list[Claim]) -> Claim | None:
    return max(claims, key=lambda claim: (claim.as_of, claim.value, claim.kind, claim.address), default=None)


def _name(claims: list[Claim]) -> PersonName | None:
    best = max(claims, key=lambda claim: (claim.rank, claim.as_of, claim.value), default=None)
    return parse_name(best.value) if best else None


def _primary_address(by_field: dict[str, list[Claim]]) -> str:
    """The address written from most recently, a company's before a personal one."""
    latest: dict[str, datetime] = {}
    for claims in by_field.values():
        for claim in claims:
            latest[claim.address] = max(claim.as_of, latest.get(claim.address, claim.as_of))
    return max(latest, key=lambda address: (bool(company_domain(address)), latest[address], address), default="")


def _company(claims: list[Claim], primary: str) -> CompanyRef | None:
    domain = company_domain(primary)
    if domain:
        signed = _newest([claim for claim in claims if claim.kind == domain])
        return CompanyRef(domain, signed.value if signed else "")
    stated = _newest(claims)
    return CompanyRef(stated.kind, stated.value) if stated else None


def _phones(claims: list[Claim]) -> tuple[PhoneLine, ...]:
    """Of each kind the numbers of the newest signature that has any."""
    latest: dict[str, datetime] = {}
    for claim in claims:
        latest[claim.kind] = max(claim.as_of, latest.get(claim.kind, claim.as_of))
    current = [claim for claim in claims if claim.as_of == latest[claim.kind]]
    found: dict[tuple[str, str], PhoneLine] = {}
    for claim in sorted(current, key=lambda claim: (claim.as_of, claim.value, claim.kind, claim.detail)):
        number, _, extension = claim.value.partition(";")
        found[number, extension] = PhoneLine(number, extension, claim.kind, claim.detail)
    return tuple(found[key] for key in sorted(found))


def _links(claims: list[Claim]) -> tuple[tuple[str, str], ...]:
    newest = sorted(claims, key=lambda claim: (claim.as_of, claim.value), reverse=True)
    return tuple(sorted(dict.fromkeys((claim.value, claim.kind) for claim in newest[:_LINKS_MAX])))


def company_name_of(claims: Iterable[Claim], domain: str) -> str:
    """What a domain's company is called: as most of its people sign; between equals the greater text.

    The domain itself when nobody signs with a name.
    """
    votes = Counter(value for value, _ in {(claim.value, claim.address) for claim in claims})
    return max(votes, key=lambda value: (votes[value], value), default=domain)

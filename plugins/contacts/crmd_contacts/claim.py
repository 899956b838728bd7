"""Claims: what one message says about one address. Claims only add up, so the order of messages doesn't matter."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from crmd_contacts.address import can_be_person, normal_address
from crmd_contacts.card import Card, read_card
from crmd_contacts.company_name import company_key, matches_domain
from crmd_contacts.domain import company_domain, is_personal
from crmd_contacts.fold import fold, transliterate
from crmd_contacts.header_name import name_in_header
from crmd_contacts.mail import why_silent
from crmd_contacts.newest import newest_lines
from crmd_contacts.region import likely_regions
from crmd_contacts.sender import Sender
from crmd_contacts.signature import find_signature

if TYPE_CHECKING:
    from datetime import datetime

    from crmd_contacts.mail import Mail, Party
    from crmd_contacts.person_name import PersonName

_PARTIES_MAX = 200
_OWN_HEADER, _SIGNATURE, _OTHERS_HEADER, _FROM_ADDRESS = 4, 3, 2, 1


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement about one address, as of an instant.

    Attributes:
        field: name, title, company, phone or link.
        match_key: The value folded, by which equal ones are found.
        rank: How much a name is worth: complete before abbreviated before single, then by who says it.
        kind: Of a phone (work, mobile, fax …) or link (website, linkedin …); of a company its website's domain.
        detail: A phone as it was written.
    """

    address: str
    field: str
    value: str
    match_key: str
    as_of: datetime
    rank: int = 0
    kind: str = ""
    detail: str = ""


def claims_of(mail: Mail) -> list[Claim]:
    """Everything a message says about people, in a stable order; nothing for machines' mail."""
    if why_silent(mail):
        return []
    claims: dict[tuple[str, str, str], Claim] = {}
    for party in islice(mail.parties, _PARTIES_MAX):
        for claim in _from_header(party, mail.received_at):
            known = claims.get((claim.address, claim.field, claim.value))
            if known is None or known.rank < claim.rank:
                claims[claim.address, claim.field, claim.value] = claim
    for claim in _from_signature(mail):
        claims.setdefault((claim.address, claim.field, claim.value), claim)
    return sorted(claims.values(), key=lambda claim: (claim.address, claim.field, claim.value))


def _from_header(party: Party, as_of: datetime) -> list[Claim]:
    address = normal_address(party.address)
    if not address or not can_be_person(address):
        return []
    name, is_derived = name_in_header(party.name, address)
    if name is None:
        return []
    source = _OWN_HEADER if party.role == "from" else _OTHERS_HEADER
    return [_name_claim(address, name, _FROM_ADDRESS if is_derived else source, as_of)]


def _from_signature(mail: Mail) -> list[Claim]:
    authors = [party for party in mail.parties if party.role == "from"]
    if len(authors) != 1:
        return []
    address = normal_address(authors[0].address)
    if not address or not can_be_person(address):
        return []
    name, is_derived = name_in_header(authors[0].name, address)
    if name is None and authors[0].name.strip() and "@" not in authors[0].name:
        return []
    sender = Sender(address, None if is_derived else name)
    lines = newest_lines(mail.text)
    signature = find_signature(lines, sender)
    if signature is None:
        return []
    regions = likely_regions(sender.domain, "\n".join(signature.lines), "\n".join(lines[-60:]))
    return _from_card(read_card(signature, sender, regions), address, mail.received_at, is_named=name is not None)


def _from_card(card: Card, address: str, as_of: datetime, *, is_named: bool) -> list[Claim]:
    if card.name is None and not is_named:
        return []
    claims: list[Claim] = []
    if card.name is not None and (card.name.is_complete or not is_named):
        claims.append(_name_claim(address, card.name, _SIGNATURE, as_of))
    if card.title:
        claims.append(Claim(address, "title", card.title, fold(card.title), as_of))
    if card.company:
        claims.append(
            Claim(address, "company", card.company, company_key(card.company), as_of, kind=_site(card, address))
        )
    claims += [
        Claim(
            address,
            "phone",
            f"{phone.number};{phone.extension}",
            phone.number,
            as_of,
            kind=phone.kind,
            detail=phone.raw,
        )
        for phone in card.phones
    ]
    claims += [Claim(address, "link", link.url, link.url.lower(), as_of, kind=link.kind) for link in card.links]
    return claims


def _site(card: Card, address: str) -> str:
    """The company's domain: the address's own, else that of a link which bears the company's name."""
    own = company_domain(address)
    if own:
        return own
    sites = (link.domain for link in card.links if link.kind == "website" and not is_personal(link.domain))
    return next((site for site in sites if matches_domain(card.company, site)), "")


def _name_claim(address: str, name: PersonName, source: int, as_of: datetime) -> Claim:
    shown = " ".join(part for part in (name.prefix, name.full, name.suffix) if part)
    return Claim(address, "name", shown, transliterate(name.full), as_of, rank=10 * _completeness(name) + source)


def _completeness(name: PersonName) -> int:
    if not name.is_complete:
        return 1
    first = name.given.split()[0].rstrip(".") if name.given else name.full
    return 2 if name.given and len(first) == 1 else 3

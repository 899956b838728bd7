"""Facets made from claims and rows, and the keys by which their possible twins are looked up."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crmd_contacts.company_name import company_key
from crmd_contacts.domain import company_domain
from crmd_contacts.fold import transliterate
from crmd_contacts.match import Facet
from crmd_contacts.person_name import parse_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crmd_contacts.claim import Claim

_WORD_MIN = 2
_LIKE_ESCAPES = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


@dataclass(frozen=True, slots=True)
class SearchKeys:
    """By what twins are found: LIKE patterns of name words, company domains, E.164 numbers, companies' match keys."""

    patterns: list[str]
    domains: list[str]
    numbers: list[str]
    companies: list[str]


def facets_of(claims: Iterable[Claim]) -> dict[str, Facet]:
    """One facet per address that the claims are about."""
    by_address: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        by_address[claim.address].append(claim)
    return {address: _facet(address, said) for address, said in by_address.items()}


def _facet(address: str, claims: list[Claim]) -> Facet:
    names = (parse_name(claim.value) for claim in claims if claim.field == "name")
    return Facet(
        address=address,
        domain=company_domain(address),
        names=frozenset(name for name in names if name is not None),
        phones=frozenset(claim.match_key for claim in claims if claim.field == "phone" and claim.kind != "fax"),
        companies=frozenset(claim.match_key for claim in claims if claim.field == "company" and claim.match_key),
    )


def facet_of_row(full_name: str, domain: str, company: str, phones: Iterable[str]) -> Facet:
    """The facet of a contact that a person entered or imported."""
    name = parse_name(full_name)
    return Facet(
        address="",
        domain=domain,
        names=frozenset((name,)) if name else frozenset(),
        phones=frozenset(phones),
        companies=frozenset((company_key(company),)) - {""},
    )


def search_keys(facets: Iterable[Facet]) -> SearchKeys:
    """What to look for to find all twins of some facets: at least one whole word of the name is in common."""
    known = list(facets)
    words = {
        word
        for facet in known
        for name in facet.names
        for word in transliterate(name.full).split()
        if len(word) >= _WORD_MIN
    }
    return SearchKeys(
        patterns=sorted(f"%{word.translate(_LIKE_ESCAPES)}%" for word in words),
        domains=sorted({facet.domain for facet in known} - {""}),
        numbers=sorted({number for facet in known for number in facet.phones}),
        companies=sorted({key for facet in known for key in facet.companies}),
    )

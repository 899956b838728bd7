"""The name that an address header gives a person: the display name, or what a `first.last` address spells."""

from __future__ import annotations

import re

from crmd_contacts.address import is_automated_local, is_role_local, local_of
from crmd_contacts.company_name import matches_domain
from crmd_contacts.domain import company_domain, domain_label
from crmd_contacts.fold import fold, folded_letters
from crmd_contacts.person_name import PersonName, parse_name
from crmd_contacts.sender import Sender

_FIRST_LAST = re.compile(
    r"[a-z]{2,20}(?:-[a-z]{2,20})?[._](?:(?:von|van|de|der|di|da|del)[._]?)?[a-z]{2,25}(?:-[a-z]{2,25})?"
)


def name_in_header(display: str, address: str) -> tuple[PersonName | None, bool]:
    """The person's name, and whether it was only spelled by the address; None when no person is named."""
    if _is_empty(display, address):
        return _from_local(address), True
    name = parse_name(display)
    if name is None or _is_organisation(name, address):
        return None, False
    return name, False


def _is_empty(display: str, address: str) -> bool:
    bare = display.strip(" '\"<>").lower()
    local = address.partition("@")[0]
    return not bare or bare == address or (bare == local and not bare.isalpha()) or ("@" in bare and " " not in bare)


def _is_organisation(name: PersonName, address: str) -> bool:
    """Whether the display name is the company's own: it fits the domain, and the address isn't made of it."""
    domain = company_domain(address)
    if not domain or Sender(address).address_names(name):
        return False
    if not name.is_complete and folded_letters(name.full)[:1] != local_of(address)[:1]:
        return True
    letters = folded_letters(name.full)
    if domain_label(domain).replace("-", "").startswith(letters):
        return True
    return _initials(name) != local_of(address) and matches_domain(name.full.split()[0], domain)


def _initials(name: PersonName) -> str:
    return "".join(fold(word)[:1] for word in name.full.split())


def _from_local(address: str) -> PersonName | None:
    local = local_of(address)
    if not _FIRST_LAST.fullmatch(local) or is_role_local(local) or is_automated_local(local):
        return None
    words = re.split(r"[._]", local)
    if any(is_role_local(word) for word in words):
        return None
    return parse_name(" ".join("-".join(part.capitalize() for part in word.split("-")) for word in words))

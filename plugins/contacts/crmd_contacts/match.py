"""Whether two addresses belong to one person, judged by what is claimed about each."""

from __future__ import annotations

import re
from dataclasses import dataclass

from crmd_contacts.address import local_of
from crmd_contacts.fold import folded_letters, transliterate
from crmd_contacts.person_name import PersonName, is_east_asian
from crmd_contacts.sender import name_words
from crmd_contacts.similarity import similarity

THRESHOLD = 0.92
_ABBREVIATED_SCORE = 0.85
_FUZZY_SCORE = 0.93
_LETTERS_MIN = 2


@dataclass(frozen=True, slots=True)
class Facet:
    """What is known of one address, or of a row that a person entered (then without address). Fields only ever grow.

    So a match found once stays a match, and people end up merged alike whatever the order of their messages.
    `domain` is the company's registrable one, empty for personal mail; `companies` are match keys of names.
    """

    address: str
    domain: str
    names: frozenset[PersonName]
    phones: frozenset[str]
    companies: frozenset[str]


@dataclass(frozen=True, slots=True)
class Match:
    """Why two facets are one person (`phone`, `name_and_company`) and how sure that is, from 0 to 1."""

    reason: str
    score: float


def match_facets(left: Facet, right: Facet) -> Match | None:
    """The reason to take two facets for one person, or None.

    A shared number alone proves nothing, since colleagues share a switchboard; nor does a name alone. A name with a
    number, or a name with a company, does.
    """
    if _are_told_apart(left, right):
        return None
    pairs = [(one, other) for one in left.names for other in right.names]
    best = max((_name_score(one, other) for one, other in pairs), default=0.0)
    if best >= _ABBREVIATED_SCORE and not left.phones.isdisjoint(right.phones):
        return Match("phone", best)
    if not _share_company(left, right):
        return None
    distinct = [_name_score(one, other) for one, other in pairs if not _spell_different(left, one, right, other)]
    score = max(distinct, default=0.0)
    return Match("name_and_company", score) if score >= THRESHOLD else None


def _share_company(left: Facet, right: Facet) -> bool:
    if left.domain and left.domain == right.domain:
        return True
    return not left.companies.isdisjoint(right.companies)


def _are_told_apart(left: Facet, right: Facet) -> bool:
    """Whether a company numbers two people of one name: `peter.schmidt` and `peter.schmidt2`."""
    if not left.domain or left.domain != right.domain:
        return False
    one, other = local_of(left.address), local_of(right.address)
    letters = re.sub(r"[^a-z]", "", one), re.sub(r"[^a-z]", "", other)
    return letters[0] == letters[1] and re.sub(r"\D", "", one) != re.sub(r"\D", "", other)


def _spell_different(left: Facet, one: PersonName, right: Facet, other: PersonName) -> bool:
    """Whether two addresses of one company each spell their own given name: `anna.muller`, `anne.muller`."""
    if not left.domain or left.domain != right.domain or _name_score(one, other) >= 1.0:
        return False
    given = transliterate(one.given), transliterate(other.given)
    locals_ = folded_letters(local_of(left.address)), folded_letters(local_of(right.address))
    return given[0] in locals_[0] and given[1] in locals_[1]


def _name_score(one: PersonName, other: PersonName) -> float:
    if not (one.is_complete and other.is_complete):
        return 0.0
    if is_east_asian(one.full) or is_east_asian(other.full):
        return 1.0 if one.full.replace(" ", "") == other.full.replace(" ", "") else 0.0
    if _same_words(one, other):
        return 1.0
    given = transliterate(one.given).rstrip("."), transliterate(other.given).rstrip(".")
    family = transliterate(one.family), transliterate(other.family)
    if family[0] == family[1] and _is_initial_of(*given):
        return _ABBREVIATED_SCORE
    alike = similarity(*given), similarity(*family)
    is_slip = max(alike) >= 1.0 and min(alike) >= THRESHOLD
    return _FUZZY_SCORE if is_slip else 0.0


def _same_words(one: PersonName, other: PersonName) -> bool:
    """Whether two names have the same words in any order, written with or without umlauts."""
    left, right = name_words(one.full), name_words(other.full)
    if len(left) < _LETTERS_MIN or len(left) != len(right):
        return False
    return all(any(not word.isdisjoint(match) for match in right) for word in left)


def _is_initial_of(left: str, right: str) -> bool:
    short, long = sorted(
        (left.split(" ", maxsplit=1)[0].rstrip("."), right.split(" ", maxsplit=1)[0].rstrip(".")), key=len
    )
    return len(short) == 1 and len(long) > 1 and long.startswith(short)

"""The sender of a mail as a yardstick: does a name in the signature belong to the person in From?"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from crmd_contacts.address import local_of
from crmd_contacts.domain import company_domain, domain_of
from crmd_contacts.fold import fold, folded_letters, spellings
from crmd_contacts.person_name import PersonName, is_east_asian, parse_name

_WORDS = re.compile(r"[^\W\d_]{2,40}")
_ON_BEHALF = re.compile(r"(?i)^(?:i\.\s?[av]\.|ppa\.?|p\.\s?p\.|im auftrag|in vertretung)\s+")
_NAME_LENGTH_MAX = 60
_WORDS_MAX = 3
_GIVEN_LENGTH_MIN = 3


@dataclass(frozen=True, slots=True)
class Sender:
    """Who a mail claims to come from: the address and, when the header names a person, the name."""

    address: str
    name: PersonName | None = None

    @property
    def domain(self) -> str:
        """The mail domain, in lower case."""
        return domain_of(self.address)

    @property
    def company_domain(self) -> str:
        """The company's registrable domain; empty for personal mail."""
        return company_domain(self.address)

    def is_full_name(self, text: str) -> bool:
        """Whether the text is the sender's own full name and nothing else."""
        if self.name is None or not self.name.is_complete or len(text) > _NAME_LENGTH_MAX:
            return False
        parsed = parse_name(without_proxy(text))
        return parsed is not None and name_words(parsed.full) == name_words(self.name.full)

    def agrees_with(self, text: str) -> bool:
        """Whether the text names the sender: it shares a name with the header or with the address."""
        if len(text) > _NAME_LENGTH_MAX:
            return False
        parsed = parse_name(text)
        if parsed is None:
            return False
        if self.name is not None:
            return names_same_person(parsed, self.name)
        return self.address_names(parsed)

    def is_surely(self, text: str) -> bool:
        """Whether a text that agrees can't be anything else: all of it stands in the header or in the address.

        For names that are jobs as well: Anna Hofmeister, Dean Walker.
        """
        if self.name is not None and self.name.is_complete:
            return True
        local = folded_letters(local_of(self.address))
        return all(any(word in local for word in forms) for forms in name_words(text))

    def address_names(self, name: PersonName) -> bool:
        """Whether the part before the @ is made of the name."""
        local = folded_letters(local_of(self.address))
        return any(word in local for forms in name_words(name.full) for word in forms if len(word) >= _GIVEN_LENGTH_MIN)

    def could_be(self, text: str) -> bool:
        """Whether a name right after the sign-off can be the sender's: nothing speaks against it."""
        parsed = parse_name(text) if len(text) <= _NAME_LENGTH_MAX else None
        if parsed is None or len(parsed.full.split()) > _WORDS_MAX:
            return False
        return not self.contradicts(parsed)

    def contradicts(self, name: PersonName) -> bool:
        """Whether a complete name is somebody else's."""
        if self.name is None or not (self.name.is_complete and name.is_complete):
            return False
        if name.full.isascii() != self.name.full.isascii() and not _is_same_script(name.full, self.name.full):
            return False
        return not share_a_name(name.full, self.name.full)


def without_proxy(text: str) -> str:
    """A signed name without what says on whose behalf: `i. A. Thomas Weber`."""
    return _ON_BEHALF.sub("", text)


def _is_same_script(left: str, right: str) -> bool:
    scripts = (
        {unicodedata.name(letter, "").split(" ")[0] for letter in name if letter.isalpha()} for name in (left, right)
    )
    return not next(scripts).isdisjoint(next(scripts))


def names_same_person(left: PersonName, right: PersonName) -> bool:
    """Whether two names can be one person's: one has all words of the other, or family and given initial agree.

    `Halloran Translations` is not Bridget Halloran, though they share a word.
    """
    words = name_words(left.full), name_words(right.full)
    smaller, larger = sorted(words, key=len)
    if smaller and all(any(not word.isdisjoint(other) for other in larger) for word in smaller):
        return True
    families = name_words(left.family), name_words(right.family)
    is_family_shared = any(not word.isdisjoint(other) for word in families[0] for other in families[1])
    return is_family_shared and fold(left.given)[:1] == fold(right.given)[:1]


def name_words(text: str) -> frozenset[frozenset[str]]:
    """The words of a name, each as the set of its spellings, so that word order and accents don't matter."""
    if is_east_asian(text):
        return frozenset((frozenset((text.replace(" ", ""),)),))
    return frozenset(spellings(word) for word in _WORDS.findall(text))


def share_a_name(left: str, right: str) -> bool:
    """Whether two names have a word of two letters or more in common."""
    others = name_words(right)
    return any(not forms.isdisjoint(other) for forms in name_words(left) for other in others)

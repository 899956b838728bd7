"""Names of people: what a display name says, taken apart into given name, family name, prefix and suffix."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from crmd_contacts.fold import fold
from crmd_contacts.lexicon import words

_LENGTH_MAX = 120
_TOKENS_MAX = 6
_EAST_ASIAN = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL")
_EAST_ASIAN_LENGTH_MAX = 12
_BRACKETED = re.compile(r"\([^()]{0,80}\)|\[[^\[\]]{0,80}\]|\{[^{}]{0,80}\}")
_RELAYED = re.compile(
    r"(?i)(?:^|\s)(?:via|vía|on behalf of|im auftrag von|i\.\s?a\.|über|ueber|per conto di|pour le compte)\s"
)
_AFTER_NAME = re.compile(r"\s(?:[|/•·\u2013\u2014@]|-+|at|bei|chez)\s")
_TOKEN = re.compile(r"[^\W\d_](?:[^\W\d_]|[.'\u2019\u2018`\u00b4·\-\u2010]){0,39}\.?")


@dataclass(frozen=True, slots=True)
class PersonName:
    """A person's name. `full` is how it is shown, without prefix and suffix."""

    full: str
    given: str = ""
    family: str = ""
    prefix: str = ""
    suffix: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether more than one name is known, so that it can tell people apart."""
        return bool(self.family) or (bool(self.full) and is_east_asian(self.full))


def is_east_asian(text: str) -> bool:
    """Whether the text is written in a script that puts no space between names."""
    letters = [letter for letter in text[:_LENGTH_MAX] if letter.isalpha()]
    return bool(letters) and all(unicodedata.name(letter, "").startswith(_EAST_ASIAN) for letter in letters)


def parse_name(text: str) -> PersonName | None:
    """The person a display name names, or None when it names an organisation, a function or nothing."""
    cleaned = _cleaned(text)
    if not cleaned or "@" in cleaned or "://" in cleaned or _RELAYED.search(cleaned):
        return None
    bare = _AFTER_NAME.split(_BRACKETED.sub(" ", cleaned), maxsplit=1)[0].strip(" ,;:-\u2013\u2014")
    if is_east_asian(bare):
        return PersonName(bare) if len(bare) <= _EAST_ASIAN_LENGTH_MAX else None
    ordered, suffixes = _in_order(bare)
    return _from_tokens(ordered.split(), suffixes)


def _cleaned(text: str) -> str:
    if len(text) > _LENGTH_MAX:
        return ""
    visible = "".join(" " if unicodedata.category(letter)[0] in "CZ" else letter for letter in text)
    return " ".join(visible.strip(" '\"“”„«»<>*_").split())


def _in_order(text: str) -> tuple[str, list[str]]:
    """`Doe, Jane, PhD` as `Jane Doe` and its suffixes."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    suffixes = [part for part in parts[1:] if is_suffix(part)]
    rest = [part for part in parts if part not in suffixes]
    if len(rest) != 2:  # noqa: PLR2004 - family and given name
        return (rest[0] if rest else ""), suffixes
    if is_bare_form(rest[1]):
        return "", suffixes
    if _names_organisation(rest[1].split()):
        return rest[0], suffixes
    return f"{rest[1]} {rest[0]}", suffixes


def is_suffix(text: str) -> bool:
    """Whether the text is a generation, degree or credential: `Jr.`, `PhD`, `M.Sc.`."""
    folded = fold(text)
    if folded in words("name_suffixes"):
        return True
    pieces = [_bare(piece) for piece in folded.replace("(", " ").replace(")", " ").split()]
    return bool(pieces) and all(piece in words("name_suffixes") for piece in pieces)


def _bare(token: str) -> str:
    return fold(token).replace(".", "").strip("-'")


def _from_tokens(tokens: list[str], suffixes: list[str]) -> PersonName | None:
    prefix: list[str] = []
    while len(tokens) > 1 and _is_honorific(tokens[0]):
        prefix.append(tokens.pop(0))
    while len(tokens) > 2 and is_suffix(tokens[-1]):  # noqa: PLR2004 - `Anna Ma` keeps both of her names
        suffixes = [tokens.pop(), *suffixes]
    if not _are_names(tokens):
        return None
    shown = _with_case(tokens)
    split = _family_start(shown)
    return PersonName(
        full=" ".join(shown),
        given=" ".join(shown[:split]),
        family=" ".join(shown[split:]),
        prefix=" ".join(prefix),
        suffix=" ".join(suffixes),
    )


def _is_honorific(token: str) -> bool:
    bare = _bare(token)
    return bare in words("honorifics") and (len(bare) > 1 or token.endswith("."))


def _are_names(tokens: list[str]) -> bool:
    if not 1 <= len(tokens) <= _TOKENS_MAX or _names_organisation(tokens):
        return False
    if not all(_TOKEN.fullmatch(token) for token in tokens):
        return False
    return any(len(_bare(token)) > 1 for token in tokens)


def _names_organisation(tokens: list[str]) -> bool:
    listed = words("organisation_words")
    return any(fold(token).strip(".,&'") in listed for token in tokens) or is_legal_form(tokens)


def is_legal_form(tokens: list[str]) -> bool:
    """Whether the last words are a company's legal form, written as such forms are: `GmbH`, `Ltd.`, `S.A.`."""
    return any(len(tokens) > count and is_bare_form(" ".join(tokens[-count:])) for count in (4, 3, 2, 1))


def is_bare_form(text: str) -> bool:
    """Whether the text is a legal form and nothing else: `Inc.`, `GmbH & Co. KG`."""
    form = " ".join(fold(text).replace(".", "").replace(",", "").split())
    return form in words("legal_forms") and _is_written_as_form(text)


def _is_written_as_form(written: str) -> bool:
    letters = [letter for letter in written if letter.isalpha()]
    if len(letters) > 2:  # noqa: PLR2004 - short forms are words or names of some language too
        return letters[0].isupper() or written.startswith(("g", "m", "e.", "s."))
    joined = "".join(letters)
    return joined.isupper() or joined in {"Co", "Oy", "eG", "eK", "eV"}


def _with_case(tokens: list[str]) -> list[str]:
    letters = "".join(tokens)
    if letters.islower() or (letters.isupper() and len(letters) > 3):  # noqa: PLR2004 - `JD` and `Bo X` stay
        return [_titled(token, is_first=index == 0) for index, token in enumerate(tokens)]
    family = [token for token in tokens if token.isupper() and len(token) > 2]  # noqa: PLR2004 - initials stay
    others = [token for token in tokens if token not in family]
    if family and others:
        return [*others, *(_titled(token, is_first=False) for token in family)]
    return tokens


def _titled(token: str, *, is_first: bool) -> str:
    if fold(token) in words("particles") and not is_first:
        return token.lower()
    named = "-".join(piece[:1].upper() + piece[1:].lower() for piece in token.split("-"))
    for lead in ("Mc", "O'", "O\u2019", "D'", "D\u2019"):
        if named.startswith(lead) and len(named) > len(lead) + 1:
            return lead + named[len(lead) :].capitalize()
    return named


def _family_start(tokens: list[str]) -> int:
    if len(tokens) == 1:
        return 1
    start = len(tokens) - 1
    while start > 1 and fold(tokens[start - 1]) in words("particles"):
        start -= 1
    return start

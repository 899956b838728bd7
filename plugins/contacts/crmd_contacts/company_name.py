"""Company names: whether a piece of a signature names the sender's company, and when two names are the same."""

from __future__ import annotations

import re
from functools import lru_cache

from crmd_contacts.domain import domain_label
from crmd_contacts.fold import fold, folded_letters, transliterate
from crmd_contacts.lexicon import words
from crmd_contacts.person_name import is_bare_form, is_legal_form
from crmd_contacts.similarity import similarity

_LENGTH_MAX = 80
_WORDS_MAX = 8
_LETTERS_MIN = 4
_ACRONYM_MIN = 2
_INSIDE_MIN = 6
_SAME_NAME_MIN = 0.85
_NOT_OWN = re.compile(
    r"^(?:ein unternehmen|eine marke|a (?:member|company|division|brand|subsidiary) |an? .{0,20}company$|"
    r"part of |member of |"
    r"powered by|partner (?:of|von|der)|une societe|in (?:partnership|cooperation|kooperation) |on behalf|im auftrag|"
    r"mitglied |sponsor |registered |sitz |follow |folgen |visit |besuchen )"
)
_WORD = re.compile(r"[^\W_]+")


def has_legal_form(piece: str) -> bool:
    """Whether the piece ends in a company's legal form and is more than that."""
    if not is_company_shaped(piece):
        return False
    return is_legal_form(piece.replace(",", " ").replace("(haftungsbeschränkt)", "").split())


def is_company_shaped(piece: str) -> bool:
    """Whether the piece could be a company's name by its shape: a short phrase that starts like a name."""
    if not 2 <= len(piece) <= _LENGTH_MAX or len(piece.split()) > _WORDS_MAX:  # noqa: PLR2004 - `3M`
        return False
    if ":" in piece or "@" in piece or piece.endswith(("!", "?", ";")) or not any(map(str.isalpha, piece)):
        return False
    return not _NOT_OWN.search(fold(piece))


@lru_cache(maxsize=4096)
def matches_domain(piece: str, domain: str) -> bool:
    """Whether the domain is made of the name: its letters, its beginning, or the first letters of its words."""
    label = domain_label(domain).replace("-", "")
    if not label or not is_company_shaped(piece):
        return False
    bare = without_legal_form(piece)
    written = {folded_letters(bare), folded_letters(transliterate(bare)), folded_letters(piece)}
    core = [word for word in _WORD.findall(fold(bare)) if word not in words("company_fillers")]
    written |= {"".join(core), folded_letters(" ".join(core))}
    if label in written or any(_holds(label, letters) for letters in written):
        return True
    if label in core and len(label) > _ACRONYM_MIN:
        return True
    return bool(core) and _spelled_by(domain_label(domain).split("-"), core)


def _holds(label: str, letters: str) -> bool:
    if len(letters) >= _LETTERS_MIN and label.startswith(letters):
        return True
    return (len(label) >= _LETTERS_MIN and letters.startswith(label)) or (
        len(label) >= _INSIDE_MIN and label in letters
    )


def _spelled_by(parts: list[str], core: list[str]) -> bool:
    """Whether each part of the domain is the beginning of a word or the initials of some words: `ist-braunfels`."""
    initials = "".join(word[0] for word in core)
    if parts == [initials] and len(core) >= _ACRONYM_MIN:
        return True
    if len(parts) < _ACRONYM_MIN:
        return False
    return all(
        any(word.startswith(part) for word in core if len(part) > _ACRONYM_MIN)
        or (len(part) >= _ACRONYM_MIN and part in initials)
        for part in parts
    )


def without_legal_form(name: str) -> str:
    """The name without its legal form: `Acme GmbH & Co. KG` is `Acme`."""
    tokens = name.replace(",", " ").split()
    while len(tokens) > 1 and is_legal_form(tokens):
        count = next(count for count in (4, 3, 2, 1) if is_bare_form(" ".join(tokens[-count:])))
        tokens = tokens[:-count]
    while tokens and tokens[-1] in {"&", "+", "und", "and"}:
        tokens.pop()
    return " ".join(tokens)


@lru_cache(maxsize=4096)
def company_key(name: str) -> str:
    """What two spellings of one company have in common: letters and digits without the legal form."""
    return folded_letters(without_legal_form(name))


def is_sister_company(name: str, known: str, domain: str) -> bool:
    """Whether two names of one domain are two legal entities: `Acme UK Ltd` beside `Acme Werke GmbH`, not `Acme`."""
    if not (has_legal_form(name) and has_legal_form(known)):
        return False
    if not (matches_domain(name, domain) and matches_domain(known, domain)):
        return False
    label = domain_label(domain).replace("-", "")
    rests = company_key(name).replace(label, ""), company_key(known).replace(label, "")
    return "" not in rests and similarity(*rests) < _SAME_NAME_MIN


def tidy_company(piece: str) -> str:
    """The name as it is kept: one space between words, no decoration around it."""
    return " ".join(piece.strip(" *_,;|\u2013\u2014-\"'“”„").split())


def is_organisation(piece: str) -> bool:
    """Whether a word of the piece shows that it names an organisation: `Kanzlei Voss`, `State University`."""
    is_plain = piece[0].isupper() and "," not in piece and not piece.endswith(".") and not any(map(str.isdigit, piece))
    return is_plain and is_company_shaped(piece) and _has_word(piece, "organisation_heads")


def is_institution(piece: str) -> bool:
    """Whether the piece names an organisation that has institutes and clinics inside."""
    return _has_word(piece, "institution_words")


def _has_word(piece: str, listed: str) -> bool:
    return any(word in words(listed) for word in _WORD.findall(fold(piece)))


def is_place_or_slogan(piece: str) -> bool:
    """Whether an unexplained piece is better left alone: a sentence, a place with a comma, or a lone common word."""
    if "," in piece or piece.endswith(".") or any(letter.isdigit() for letter in piece):
        return True
    tokens = piece.split()
    lowered = sum(token[0].islower() and fold(token) not in words("company_fillers") for token in tokens)
    return lowered > 0 or fold(piece) in words("department_words")

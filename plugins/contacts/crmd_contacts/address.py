"""Mail addresses: their normal form, and whether a person, a function or a machine stands behind one."""

from __future__ import annotations

import re
from functools import cache, lru_cache

from crmd_contacts.domain import domain_of, is_automated, is_disposable
from crmd_contacts.fold import transliterate
from crmd_contacts.lexicon import words

_ADDRESS_LENGTH_MAX = 254
_LOCAL_LENGTH_MAX = 40
_ADDRESS = re.compile(r"[^\s@<>()\[\],;:\"\\]{1,64}@[^\s@<>()\[\],;:\"\\]{3,253}")
_SPLIT = re.compile(r"[._\-+0-9]+")
_HEX_RUN = re.compile(r"[0-9a-f]{16,}")
_WORD_MIN = 4


@cache
def _role_words() -> frozenset[str]:
    return words("role_locals") | words("department_words") | words("organisation_words")


def normal_address(text: str | None) -> str:
    """The address in lower case, or an empty string when it can't be one."""
    address = (text or "").strip().lower()
    if len(address) > _ADDRESS_LENGTH_MAX or not _ADDRESS.fullmatch(address):
        return ""
    return address if "." in domain_of(address) else ""


def local_of(address: str) -> str:
    """The part before the @, without a `+tag`."""
    return address.rpartition("@")[0].partition("+")[0]


@lru_cache(maxsize=4096)
def is_automated_local(local: str) -> bool:
    """Whether a machine writes from such a local part: no-reply, bounces, newsletters, hashes."""
    pieces = [piece for piece in _SPLIT.split(transliterate(local)) if piece]
    automated = words("automated_locals")
    joined = "".join(pieces)
    if joined in automated or any(piece in automated for piece in pieces):
        return True
    if "noreply" in joined or "donotreply" in joined or "mailerdaemon" in joined:
        return True
    return "=" in local or len(local) > _LOCAL_LENGTH_MAX or bool(_HEX_RUN.search(local))


@lru_cache(maxsize=4096)
def is_role_local(local: str) -> bool:
    """Whether the local part names a function: info, sales-emea, rechnung, kundenservice."""
    pieces = [piece for piece in _SPLIT.split(transliterate(local)) if piece]
    if not pieces:
        return False
    role = _role_words()
    if "".join(pieces) in role:
        return True
    if pieces[0] in role and len(pieces[0]) >= _WORD_MIN:
        return True
    short_allowed = len(pieces) > 1
    return any(piece in role for piece in pieces) and all(_is_role_piece(piece, short_allowed) for piece in pieces)


def _is_role_piece(piece: str, short_allowed: bool) -> bool:  # noqa: FBT001 - a claim about the piece's company
    if piece in _role_words() or (short_allowed and 1 < len(piece) < _WORD_MIN):
        return True
    return any(piece.endswith(ending) and len(piece) > len(ending) for ending in words("role_endings"))


@lru_cache(maxsize=4096)
def is_compound_role(local: str) -> bool:
    """Whether a single unbroken word ends like a function's name: kundenbuchhaltung, salesteam."""
    word = transliterate(local)
    return word.isalpha() and any(word.endswith(ending) and word != ending for ending in words("role_endings"))


def can_be_person(address: str) -> bool:
    """Whether a person may stand behind the address; False for functions, machines, lists and throw-away mail."""
    domain = domain_of(address)
    full_local = address.rpartition("@")[0]
    local = local_of(address)
    if not local or is_automated(domain) or is_disposable(domain):
        return False
    if is_automated_local(full_local) or local.isdigit():
        return False
    return not (is_role_local(local) or is_compound_role(local))

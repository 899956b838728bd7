"""The card: what a signature block says about the person who sent the mail."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crmd_contacts.company_name import (
    has_legal_form,
    is_company_shaped,
    is_institution,
    is_organisation,
    is_place_or_slogan,
    matches_domain,
    tidy_company,
)
from crmd_contacts.job_title import is_department, is_job_title, is_title_shaped
from crmd_contacts.link import Link, links_in, without_links
from crmd_contacts.person_name import PersonName, is_bare_form, is_suffix, parse_name
from crmd_contacts.phone import Phone, phones_in, without_phones
from crmd_contacts.sender import without_proxy

if TYPE_CHECKING:
    from crmd_contacts.sender import Sender
    from crmd_contacts.signature import Signature

_PHONES_MAX = 6
_LINKS_MAX = 6
_WORDS_PER_LINE_MAX = 16
_NAME_LINES = 3
_HARD = re.compile(r"\s*[|•·‧●■▪◦¦]\s*|\t+| {3,}|\s//\s|\s\\\\\s")
_SOFT = re.compile(r"\s+[-\u2013\u2014/]+\s+|,\s+|\s+@\s+|\s+(?:at|bei|chez|beim|bei der)\s+")
_LABELS = re.compile(
    r"(?i)^(?:(?:t|tel|telefon|telephone|phone|ph|mobil|mobile|mob|m|handy|cell|fax|f|fon|e-?mail|mail|e|web|website|w|internet|www|direct|"
    r"durchwahl|office|büro|d|o|p|home|whatsapp|linkedin|xing|github|zentrale|switchboard|skype|ext|dw|url|c)"
    r"(?:\s*\.?\s*[:.)]\s*|\s*$)|[:/|,;\s]+)+"
)
_CUT_KINDS = frozenset(("name", "title", "company", "organisation", "other", "place"))


@dataclass(frozen=True, slots=True)
class Card:
    """What a signature says: each field empty when it says nothing that can be trusted."""

    name: PersonName | None = None
    title: str = ""
    company: str = ""
    phones: tuple[Phone, ...] = ()
    links: tuple[Link, ...] = ()


@dataclass(slots=True)
class _Reading:
    """The pieces of a block in order, each with what it was taken for; grows while the block is read."""

    pieces: list[tuple[str, str]] = field(default_factory=list)
    phones: list[Phone] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)

    def first(self, kind: str) -> str:
        return next((piece for found, piece in self.pieces if found == kind), "")

    def all(self, kind: str) -> list[str]:
        return [piece for found, piece in self.pieces if found == kind]


def read_card(signature: Signature, sender: Sender, regions: tuple[str, ...]) -> Card:
    """The sender's card. An empty one when the block is signed by somebody else."""
    reading = _Reading()
    for index, line in enumerate(signature.lines):
        _read_line(reading, line, sender, regions, is_top=index < _NAME_LINES)
    name, is_other = _name(reading, signature, sender)
    if is_other:
        return Card()
    return Card(
        name=name,
        title=_title(reading),
        company=_company(reading, sender),
        phones=_own_phones(reading.phones),
        links=tuple(dict.fromkeys(reading.links))[:_LINKS_MAX],
    )


def _read_line(reading: _Reading, line: str, sender: Sender, regions: tuple[str, ...], *, is_top: bool) -> None:
    if len(line.split()) > _WORDS_PER_LINE_MAX:
        reading.pieces.append(("other", line))
        return
    phones = phones_in(line, regions)
    reading.phones += phones
    reading.links += links_in(line)
    rest = without_links(without_phones(line, phones) if phones else line)
    for piece in _HARD.split(rest):
        bare = _LABELS.sub("", piece.strip(" *_\u2013\u2014-~=<>,;#")).strip(" *_\u2013\u2014-~=<>,;#()@")
        if any(map(str.isalpha, bare)) and len(bare) > 1:
            _read_piece(reading, bare, sender, is_top=is_top)


def _read_piece(reading: _Reading, piece: str, sender: Sender, *, is_top: bool) -> None:
    kind = _kind(piece, sender, is_top=is_top)
    split = _SOFT.search(piece) if kind in _CUT_KINDS else None
    if split is None:
        reading.pieces.append((kind, piece))
        return
    for cut in _SOFT.finditer(piece):
        left, right = piece[: cut.start()].strip(), piece[cut.end() :].strip()
        if _is_worth_cutting(left, right, sender, is_top=is_top, is_dash="," not in cut.group()):
            _read_piece(reading, left, sender, is_top=is_top)
            _read_piece(reading, right, sender, is_top=is_top)
            return
    reading.pieces.append((kind, piece))


def _is_worth_cutting(left: str, right: str, sender: Sender, *, is_top: bool, is_dash: bool) -> bool:
    kinds = (_kind(left, sender, is_top=is_top), _kind(right, sender, is_top=False))
    if kinds[0] == "name":
        return not (is_suffix(right.partition(",")[0]) or sender.agrees_with(right))
    if is_dash and kinds[0] in {"company", "organisation"} and kinds[1] not in {"company", "organisation"}:
        return True
    if has_legal_form(left) and not (has_legal_form(right) or is_bare_form(right)):
        return True
    return "title" in kinds and not {"company", "organisation"}.isdisjoint(kinds)


def _kind(piece: str, sender: Sender, *, is_top: bool) -> str:
    domain = sender.company_domain
    if is_top and _is_name(piece, sender):
        return "name"
    if has_legal_form(piece) and not re.search(r",\s|\s[\u2013\u2014-]\s", _before_legal(piece)):
        return "company"
    if is_job_title(piece) and not matches_domain(piece, domain):
        return "title"
    if domain and matches_domain(piece, domain):
        return "company"
    if is_job_title(piece):
        return "title"
    if is_department(piece):
        return "department"
    if is_organisation(piece):
        return "organisation"
    return "place" if is_place_or_slogan(piece) else "other"


def _before_legal(piece: str) -> str:
    """The piece up to a comma that only sets off the legal form (`Acme, Inc.`)."""
    head, comma, tail = piece.rpartition(", ")
    return head if comma and len(tail.split()) == 1 else piece


def _is_name(piece: str, sender: Sender) -> bool:
    bare = without_proxy(piece)
    if not sender.agrees_with(bare):
        return False
    return not is_job_title(bare) or sender.is_surely(bare)


def _name(reading: _Reading, signature: Signature, sender: Sender) -> tuple[PersonName | None, bool]:
    """The name the block is signed with, and whether it is somebody else's."""
    own = [parsed for piece in reading.all("name") if (parsed := parse_name(without_proxy(piece)))]
    if own:
        complete = [name for name in own if name.is_complete]
        return (complete or own)[0], False
    if not signature.is_signed or not reading.pieces or reading.pieces[0][0] != "other":
        return None, False
    first = parse_name(without_proxy(reading.pieces[0][1]))
    if first is None:
        return None, False
    if sender.contradicts(first):
        return None, True
    if sender.name is None and first.is_complete and len(reading.pieces[0][1].split()) <= _NAME_LINES:
        reading.pieces[0] = ("name", first.full)
        return first, False
    reading.pieces[0] = ("nickname", first.full)
    return None, False


def _title(reading: _Reading) -> str:
    """The first title; else the one unexplained line between the name and the company, where titles stand."""
    stated = reading.first("title")
    if stated:
        return " ".join(stated.split())
    kinds = [kind for kind, _ in reading.pieces]
    for index in range(1, len(kinds) - 1):
        is_between = kinds[index - 1] in {"name", "nickname"} and kinds[index + 1] in {"company", "organisation"}
        if is_between and kinds[index] in {"other", "department"} and is_title_shaped(reading.pieces[index][1]):
            return " ".join(reading.pieces[index][1].split())
    return ""


def _company(reading: _Reading, sender: Sender) -> str:
    """The name that fits the domain; else the first with a legal form; else the line right below the title."""
    named = reading.all("company")
    fitting = [piece for piece in named if sender.company_domain and matches_domain(piece, sender.company_domain)]
    organisations = sorted(reading.all("organisation"), key=lambda piece: not is_institution(piece))
    chosen = next(iter((*fitting, *named, *organisations)), "")
    if chosen:
        return tidy_company(chosen)
    pieces = [(kind, piece) for kind, piece in reading.pieces if kind != "department"]
    kinds = [kind for kind, _ in pieces]
    for index in range(1, len(kinds)):
        if kinds[index - 1] == "title" and kinds[index] == "other" and "name" in kinds[:index]:
            piece = pieces[index][1]
            return tidy_company(piece) if is_company_shaped(piece) else ""
    return ""


def _own_phones(phones: list[Phone]) -> tuple[Phone, ...]:
    unique = {(phone.number, phone.extension): phone for phone in reversed(phones)}
    return tuple(unique[key] for key in dict.fromkeys((phone.number, phone.extension) for phone in phones))[
        :_PHONES_MAX
    ]

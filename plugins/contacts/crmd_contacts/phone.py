"""Phone numbers in a signature: E.164, extension and kind, with fax, register and account numbers told apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice

import phonenumbers
from phonenumbers import Leniency, PhoneNumberFormat, PhoneNumberType
from phonenumbers import PhoneNumberMatch as _Match

from crmd_contacts.fold import fold
from crmd_contacts.region import FALLBACK

_LINE_LENGTH_MAX = 200
_PER_LINE_MAX = 6
_DIGITS_MIN = 6
_DOUBLE_ZERO = re.compile(r"(?<![\d+])(?<!\d[ \-/.()])00(?=[1-9]\d)")
_SLASHED = re.compile(r"(?<=[\d)]) ?/ ?(?=[\d(])")
_LABEL = re.compile(r"([^\W\d_][^\W\d_.\-/]*)[\s.:)\]]*\Z")
_BEHIND = re.compile(r"\s{0,3}\(([^\W\d_]{1,15})\)")
_NOT_PHONES = re.compile(
    r"\b(?:hrb|hra|ust|vat|iban|bic|siret|siren|rcs|tva|steuer|btw|kvk|nif|cif|p\.?\s?iva|reg|register|order|invoice|"
    r"rechnung|auftrag|kundennummer|konto|account|case|ticket|hotline|notfall|emergency|bestellung|fn|uid|ein|abn|acn|"
    r"assistant|assistentin|assistenz|sekretariat|secretary|asistente)\b"
)
_KINDS = {
    "fax": "fax telefax f telecopie faksimile",
    "mobile": "m mob mobile mobil mobiltelefon handy cell cellular cel movil portable natel gsm cellulare "
    "whatsapp signal c",
    "home": "home privat private prive",
    "work": "t tel telefon telephone phone ph p direct durchwahl dw office buro d o fon fixe main "
    "zentrale switchboard desk tlf tlfn puh",
}
_KIND_OF_LABEL = {label: kind for kind, labels in _KINDS.items() for label in labels.split()}
_COMPANY_WIDE = frozenset(
    (PhoneNumberType.TOLL_FREE, PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST, PhoneNumberType.UAN)
)


@dataclass(frozen=True, slots=True)
class Phone:
    """One number: E.164, extension (digits), kind as in `crm.contact_phone`, and as it was written."""

    number: str
    extension: str
    kind: str
    raw: str


def phones_in(line: str, regions: tuple[str, ...]) -> list[Phone]:
    """The numbers of one signature line; `regions` are tried in turn for numbers written without `+`."""
    if sum(letter.isdigit() for letter in line) < _DIGITS_MIN or _NOT_PHONES.search(fold(line)):
        return []
    text = _DOUBLE_ZERO.sub("+", line[:_LINE_LENGTH_MAX])
    return _numbers(text, regions) or _numbers(_SLASHED.sub(" ", text), regions)


def _numbers(text: str, regions: tuple[str, ...]) -> list[Phone]:
    """Valid numbers, and numbers that are only of a possible length where a `+` or a label vouches for them."""
    found: list[_Match] = []
    trusted = [] if regions == FALLBACK else list(regions)
    for region in (None, *regions):
        valid = [match for match in _matches(text, region, Leniency.VALID) if not _overlaps(match, found)]
        found += valid
        trusted += [region] if valid and region else []
    for region in (None, *trusted):
        possible = _matches(text, region, Leniency.POSSIBLE)
        found += [match for match in possible if _is_vouched(match, text) and not _overlaps(match, found)]
    return [_phone(match, text) for match in sorted(found, key=lambda match: match.start)]


def _is_vouched(match: _Match, text: str) -> bool:
    """Whether a number the library doesn't know as given out is meant as one: by its `+`, its label or its line."""
    if match.raw_string.startswith("+") or _label(match, text):
        return True
    return match.raw_string.startswith(("0", "(")) and " " in match.raw_string and not any(map(str.isalpha, text))


def without_phones(line: str, phones: list[Phone]) -> str:
    """What the line says besides its numbers."""
    text = _DOUBLE_ZERO.sub("+", line[:_LINE_LENGTH_MAX])
    if any(phone.raw not in text for phone in phones):
        text = _SLASHED.sub(" ", text)
    for phone in phones:
        text = text.replace(phone.raw, " | ")
    return text


def _matches(text: str, region: str | None, leniency: int) -> list[_Match]:
    found = islice(phonenumbers.PhoneNumberMatcher(text, region, leniency), _PER_LINE_MAX)
    return [match for match in found if phonenumbers.number_type(match.number) not in _COMPANY_WIDE]


def _overlaps(match: _Match, others: list[_Match]) -> bool:
    return any(match.start < other.end and other.start < match.end for other in others)


def _phone(match: _Match, text: str) -> Phone:
    number = phonenumbers.format_number(match.number, PhoneNumberFormat.E164)
    return Phone(number, match.number.extension or "", _kind(match, text), match.raw_string)


def _label(match: _Match, text: str) -> str:
    """The word right before the number, folded, when it is one that names a kind of phone."""
    found = _LABEL.search(text[: match.start].rstrip(" +(").rstrip()[-30:])
    word = fold(found.group(1)) if found else ""
    return word if word in _KIND_OF_LABEL else ""


def _kind(match: _Match, text: str) -> str:
    """The kind that a label before or behind the number names; `Tel` says nothing of a number known to be mobile."""
    behind = _BEHIND.match(text, match.end)
    labels = (_label(match, text), fold(behind.group(1)) if behind else "")
    kinds = [kind for label in labels if (kind := _KIND_OF_LABEL.get(label)) and kind != "work"]
    if kinds:
        return kinds[0]
    if "fax" in fold(text[: match.start])[-12:]:
        return "fax"
    is_mobile = phonenumbers.number_type(match.number) == PhoneNumberType.MOBILE
    return "mobile" if is_mobile else "work"

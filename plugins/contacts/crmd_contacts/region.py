"""Which countries a phone number without `+` may belong to, most likely first."""

from __future__ import annotations

import re
from functools import cache

import phonenumbers

from crmd_contacts.fold import fold
from crmd_contacts.lexicon import words

_TEXT_LENGTH_MAX = 4000
_WORD = re.compile(r"[^\W\d_]{2,30}")
FALLBACK = ("US", "GB")
"""Tried when nothing tells a country: there only a number that is valid as it stands counts."""
_PLACES = {
    "DE": "deutschland germany allemagne alemania berlin hamburg munchen munich muenchen koln cologne frankfurt "
    "stuttgart dusseldorf leipzig dresden hannover nurnberg bremen dortmund essen bonn freiburg",
    "AT": "osterreich oesterreich austria autriche wien vienna graz linz salzburg innsbruck",
    "CH": "schweiz switzerland suisse svizzera zurich zuerich genf geneve geneva bern basel lausanne luzern winterthur",
    "FR": "france frankreich francia paris lyon marseille toulouse bordeaux lille nantes strasbourg",
    "ES": "espana spain spanien espagne madrid barcelona valencia sevilla bilbao malaga zaragoza",
    "IT": "italia italy italien italie roma milano torino bologna napoli firenze verona",
    "NL": "nederland netherlands niederlande amsterdam rotterdam utrecht eindhoven haag",
    "BE": "belgie belgium belgique belgien brussel bruxelles brussels antwerpen gent",
    "GB": "kingdom uk england scotland wales london manchester birmingham leeds bristol edinburgh glasgow",
    "US": "usa boston chicago austin seattle denver atlanta houston",
    "IE": "ireland dublin cork",
    "PT": "portugal lisboa porto",
    "PL": "polska poland polen warszawa krakow",
    "SE": "sverige sweden schweden stockholm goteborg malmo",
    "DK": "danmark denmark kobenhavn copenhagen aarhus",
    "NO": "norge norway oslo bergen",
}
_COMMON_WORDS = {
    "DE": "und ich die der das nicht mit fur sie wir ist auf bitte danke gruss grusse grussen gruessen vielen einen",
    "FR": "et je le les des vous nous est pour avec dans bonjour merci cordialement une pas",
    "ES": "y el los las que para con por una usted saludos gracias buenos hola es",
    "IT": "che per con sono della grazie saluti buongiorno gentile non una di",
    "": "the and you for with your please thanks regards best have are from will would this that is of to in",
    "SE": "och jag att inte med vanliga halsningar hej tack basta",
    "NO": "og jeg ikke vennlig hilsen takk hei",
    "DK": "og jeg ikke venlig hilsen tak hej bedste",
    "PL": "pozdrawiam dziekuje dziekuję nie jest sie prosze powazaniem",
    "CZ": "dekuji pozdravem dobry den prosim",
    "PT": "obrigado obrigada cumprimentos atenciosamente nao bom dia melhores",
    "NL": "en het een niet van met voor groet groeten bedankt ik wij dat",
}


@cache
def _region_of_place() -> dict[str, str]:
    return {place: region for region, places in _PLACES.items() for place in places.split()}


@cache
def _region_of_word() -> dict[str, frozenset[str]]:
    return {region: frozenset(listed.split()) for region, listed in _COMMON_WORDS.items()}


def likely_regions(domain: str, block: str, text: str) -> tuple[str, ...]:
    """Country codes to try for a number, from the signature's places, the mail domain and the text's language."""
    found = [*_from_places(block), *_from_international(block), *_from_domain(domain), *_from_language(text)]
    if not found:
        found = [*FALLBACK]
    return tuple(dict.fromkeys(found))


def _from_places(block: str) -> list[str]:
    regions = _region_of_place()
    return [regions[word] for word in _WORD.findall(fold(block[:_TEXT_LENGTH_MAX])) if word in regions]


def _from_international(block: str) -> list[str]:
    matcher = phonenumbers.PhoneNumberMatcher(block[:_TEXT_LENGTH_MAX], None)
    codes = [match.number.country_code for match in matcher if match.number.country_code]
    return [phonenumbers.region_code_for_country_code(code) for code in codes]


def _from_domain(domain: str) -> list[str]:
    last = domain.rpartition(".")[2]
    if last in words("generic_country_codes"):
        return []
    code = "GB" if last == "uk" else last.upper()
    return [code] if code in phonenumbers.SUPPORTED_REGIONS else []


def _from_language(text: str) -> list[str]:
    seen = _WORD.findall(fold(text[-_TEXT_LENGTH_MAX:]))
    counts = {region: sum(word in listed for word in seen) for region, listed in _region_of_word().items()}
    best = max(counts, key=lambda region: counts[region])
    is_clear = counts[best] > 0 and list(counts.values()).count(counts[best]) == 1
    return [best] if best and is_clear else []

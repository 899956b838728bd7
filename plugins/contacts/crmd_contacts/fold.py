"""Text folding: two spellings of one name or word become the same string, so that they can be compared."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

_LETTERS = str.maketrans(
    {
        "ß": "ss",
        "ø": "o",
        "Ø": "o",
        "ł": "l",
        "Ł": "l",
        "đ": "d",
        "Đ": "d",
        "æ": "ae",
        "Æ": "ae",
        "œ": "oe",
        "\u0131": "i",
    }
)
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """The text in lower case without accents: `Müller` is `muller`."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).casefold()


@lru_cache(maxsize=4096)
def transliterate(text: str) -> str:
    """Like `fold`, with umlauts written out as in addresses: `Müller` is `mueller`."""
    return fold(unicodedata.normalize("NFC", text).casefold().translate(_GERMAN))


def folded_letters(text: str) -> str:
    """The folded text's letters and digits alone, to compare a name with a domain or the part before an @."""
    return "".join(letter for letter in fold(text) if letter.isalnum())


def spellings(text: str) -> frozenset[str]:
    """Both ways to fold a word."""
    return frozenset((fold(text), transliterate(text)))

"""Content-Type and Content-Disposition: a value and its parameters, RFC 2231 continuations and charsets included."""

import re
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from crmd_crm.mail.charset import decode_text
from crmd_crm.mail.encoded_word import decode_words
from crmd_crm.mail.header import one_line

_ATTRIBUTE = re.compile(r"\s*([^=;\s\"]{1,100})\s*=\s*")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"?')
_VALUE_CHARS_MAX = 16 * 1024
_PARAMETERS_MAX = 200


@dataclass(frozen=True, slots=True)
class Valued:
    """A header value such as `text/plain; charset=utf-8`: `value` lower-case, `parameters` by lower-case name."""

    value: str = ""
    parameters: dict[str, str] = field(default_factory=dict)


def read_valued(line: str) -> Valued:
    """Parse one unfolded header line; what is broken is left out."""
    line = line[:_VALUE_CHARS_MAX]
    head, _, rest = line.partition(";")
    return Valued(one_line(head).lower().strip("\"' "), _joined(_pairs(rest)))


def _pairs(text: str) -> list[tuple[str, str, bool]]:
    """(name, value, was quoted) of each parameter, one pass from left to right."""
    pairs: list[tuple[str, str, bool]] = []
    at = 0
    while at < len(text) and len(pairs) < _PARAMETERS_MAX:
        match = _ATTRIBUTE.match(text, at)
        if match is None:
            following = text.find(";", at)
            if following < 0:
                break
            at = following + 1
            continue
        at = match.end()
        quoted = _QUOTED.match(text, at)
        if quoted is not None:
            value = re.sub(r"\\([\"\\])", r"\1", quoted[1])
            at = quoted.end()
        else:
            end = text.find(";", at)
            end = len(text) if end < 0 else end
            value, at = text[at:end].strip(), end
        pairs.append((match[1].lower(), value, quoted is not None))
        separator = text.find(";", at)
        at = separator + 1 if separator >= 0 and not text[at:separator].strip() else at
    return pairs


def _joined(pairs: list[tuple[str, str, bool]]) -> dict[str, str]:
    plain: dict[str, str] = {}
    extended: dict[str, dict[int, tuple[str, bool]]] = {}
    for name, value, _ in pairs:
        base, star, suffix = name.partition("*")
        if not star:
            plain.setdefault(base, value)
            continue
        index = suffix.rstrip("*")
        number = int(index) if index.isdecimal() and len(index) <= 3 else 0  # noqa: PLR2004 - no header has 1,000 pieces
        extended.setdefault(base, {}).setdefault(number, (value, suffix.endswith("*") or not suffix))
    decoded = {name: one_line(decode_words(value)) for name, value in plain.items()}
    decoded.update({name: one_line(_extended_value(pieces)) for name, pieces in extended.items()})
    return decoded


def _extended_value(pieces: dict[int, tuple[str, bool]]) -> str:
    """RFC 2231: charset'language'percent-encoded, perhaps in numbered pieces of which each may be encoded or not."""
    charset = ""
    data = b""
    for position, number in enumerate(sorted(pieces)):
        value, is_encoded = pieces[number]
        if position == 0 and is_encoded and value.count("'") >= 2:  # noqa: PLR2004 - charset'language'text
            charset, _, value = value.split("'", 2)
        raw = value.encode("utf-8", "replace")
        data += unquote_to_bytes(raw) if is_encoded else raw
    text, _ = decode_text(data, charset or None)
    return decode_words(text)

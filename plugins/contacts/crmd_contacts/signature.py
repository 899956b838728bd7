"""The signature block: the lines below the sign-off or the `-- ` of the newest part of a mail."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from crmd_contacts.fold import fold
from crmd_contacts.lexicon import words

if TYPE_CHECKING:
    from crmd_contacts.sender import Sender

_LINES_MAX = 25
_SEARCH_LINES_MAX = 45
_ABOVE_DELIMITER_MAX = 8
_LINE_LENGTH_MAX = 180
_SIGN_OFF_LENGTH_MAX = 70
_WORDS_AFTER_MAX = 4
_DELIMITERS = frozenset(("--", "- --", "\u2014", "\u2013", "---", "__", "___"))
_POSTSCRIPT = ("p.s.", "ps:", "ps.", "p.s:", "pps", "ps ", "nb:", "n.b.")


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature block. `is_signed`: a sign-off or delimiter stands above it, so its first line is the writer's."""

    lines: tuple[str, ...]
    is_signed: bool


def find_signature(lines: list[str], sender: Sender) -> Signature | None:
    """The block at the end of the newest part, or None when the mail isn't signed in a way that can be trusted."""
    written = [line.strip() for line in lines]
    while written and not written[-1]:
        written.pop()
    start = max(0, len(written) - _SEARCH_LINES_MAX)
    tail = written[start:]
    for rule in (_after_delimiter, _after_sign_off):
        found = rule(tail, sender)
        if found:
            return Signature(tuple(found), is_signed=True)
    found = _from_name(tail, sender)
    return Signature(tuple(found), is_signed=False) if found else None


def _after_delimiter(lines: list[str], sender: Sender) -> list[str]:
    for index in range(len(lines) - 1, -1, -1):
        if lines[index] not in _DELIMITERS:
            continue
        below = _block(lines[index + 1 :])
        if not below:
            continue
        above = lines[max(0, index - _ABOVE_DELIMITER_MAX) : index]
        return _block([*_after_sign_off(above, sender), *below])
    return []


def _after_sign_off(lines: list[str], sender: Sender) -> list[str]:
    for index in range(len(lines) - 1, -1, -1):
        rest = sign_off_rest(lines[index], sender)
        if rest is None:
            continue
        block = _block([rest, *lines[index + 1 :]])
        if block:
            return block
    return []


def _from_name(lines: list[str], sender: Sender) -> list[str]:
    for index in range(len(lines) - 1, -1, -1):
        if sender.is_full_name(lines[index].split("|")[0].split(",")[0].strip("*_ ")):
            return _block(lines[index:])
    return []


def _block(lines: list[str]) -> list[str]:
    """The lines up to a disclaimer, a postscript or the longest a signature gets."""
    block: list[str] = []
    for line in lines:
        folded = fold(line)
        if len(line) > _LINE_LENGTH_MAX or folded.startswith(_POSTSCRIPT) or _is_disclaimer(folded):
            break
        if folded.startswith(_device_lines()):
            continue
        if line:
            block.append(line)
        if len(block) >= _LINES_MAX:
            break
    return block


@cache
def _device_lines() -> tuple[str, ...]:
    return tuple(words("device_lines"))


def _is_disclaimer(folded: str) -> bool:
    return any(phrase in folded for phrase in words("disclaimers"))


@cache
def _phrases_by_first_word() -> dict[str, tuple[str, ...]]:
    grouped: dict[str, list[str]] = {}
    for phrase in words("sign_offs"):
        grouped.setdefault(phrase.split()[0], []).append(phrase)
    return {first: tuple(sorted(phrases, key=len, reverse=True)) for first, phrases in grouped.items()}


def sign_off_rest(line: str, sender: Sender) -> str | None:
    """What follows the sign-off on its line (often nothing, sometimes a name); None when the line is no sign-off."""
    if not line or len(line) > _SIGN_OFF_LENGTH_MAX:
        return None
    tokens = line.split()
    folded = [fold(token).strip(",.!;:-\u2013\u2014*_~…") for token in tokens]
    first = next((word for word in folded if word), "")
    for phrase in _phrases_by_first_word().get(first, ()):
        count = len(phrase.split())
        if " ".join(folded[:count]) == phrase:
            return _rest(tokens, folded, count, sender)
    return None


def _rest(tokens: list[str], folded: list[str], count: int, sender: Sender) -> str | None:
    rest = [token for token, word in zip(tokens[count:], folded[count:], strict=True) if any(map(str.isalnum, word))]
    if not rest:
        return ""
    if folded[count] in words("sign_off_connectives"):
        return ""
    if len(rest) > _WORDS_AFTER_MAX:
        return None
    is_separated = tokens[count - 1][-1] in ",!-\u2013\u2014"
    name = " ".join(rest)
    return name if sender.agrees_with(name) or (is_separated and sender.could_be(name)) else None

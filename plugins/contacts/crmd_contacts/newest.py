"""The newest part of a mail's text: what its sender wrote, without the older mails quoted around it."""

from __future__ import annotations

import re
from functools import cache

from crmd_contacts.fold import fold
from crmd_contacts.lexicon import words

_TEXT_LENGTH_MAX = 256 * 1024
_LINE_LENGTH_MAX = 500
_ATTRIBUTION_LINES_MAX = 3
_HEADERS_MIN = 3
_HEADER_LINES_MAX = 7
_WORD = re.compile(r"[^\W\d_]+(?:\([^\W\d_]{1,3}\))?")
_OPENERS = (
    *("on ", "am ", "le ", "el ", "il ", "em ", "op ", "den ", "dnia ", "w dniu ", "dne ", "pe ", "pa ", "a ", "vom "),
    *("1", "2", "3", "<", '"', "von:", "tarihinde"),
)
_YEAR = re.compile(r"\b20\d\d\b")
_LABEL_LENGTH_MAX = 30


def newest_lines(text: str) -> list[str]:
    """The lines that the sender wrote in this mail, in order.

    Lines quoted with `>` are left out wherever they stand; below a forwarding divider, an unquoted attribution or a
    printed header block everything is older mail. Linear in the length of the text.
    """
    lines = _split(text)
    kept: list[str] = []
    index = 0
    while index < len(lines):
        line = lines[index]
        if _is_quoted(line):
            index += 1
            continue
        span = _attribution_span(lines, index)
        if span:
            index += span
            if not _quote_follows(lines, index):
                break
            continue
        if _is_divider(line) or _is_header_block(lines, index):
            break
        kept.append(line)
        index += 1
    return kept


def _split(text: str) -> list[str]:
    plain = text[:_TEXT_LENGTH_MAX].replace("\xa0", " ").replace("\u200b", "").replace("\ufeff", "")
    return [line[:_LINE_LENGTH_MAX].rstrip() for line in plain.splitlines()]


def _is_quoted(line: str) -> bool:
    return line.lstrip(" ")[:1] == ">"


def _quote_follows(lines: list[str], index: int) -> bool:
    for line in lines[index : index + 3]:
        if line.strip():
            return _is_quoted(line)
    return False


def _attribution_span(lines: list[str], index: int) -> int:
    """How many lines from here on say who wrote the quoted mail and when; 0 when they don't."""
    first = fold(lines[index].strip())
    if not first:
        return 0
    joined = ""
    for count in range(1, _ATTRIBUTION_LINES_MAX + 1):
        part = lines[index + count - 1] if index + count <= len(lines) else ""
        if not part.strip() or _is_quoted(part):
            return 0
        joined = f"{joined} {part.strip()}"
        if joined[-1] in ":\uff1a":
            return count if _is_attribution(joined) and (count == 1 or first.startswith(_OPENERS)) else 0
        if count == 1 and not first.startswith(_OPENERS):
            return 0
    return 0


def _is_attribution(text: str) -> bool:
    if not any(letter.isdigit() or letter == "@" for letter in text):
        return False
    if text.endswith(">:") and _YEAR.search(text):
        return True
    folded = fold(text)
    closers = words("quote_closers")
    return any(word in closers for word in _WORD.findall(folded)) or "写道" in folded


def _is_divider(line: str) -> bool:
    bare = line.strip().strip("*_ ")
    dashed = bare.startswith(("--", "\u2014\u2014", "- -")) or bare.endswith(":")
    if not dashed or len(bare) > 90:  # noqa: PLR2004 - a divider's words and its dashes fit one screen line
        return False
    return fold(bare.strip("-\u2014_*:= ")) in words("quote_dividers")


@cache
def _sender_labels() -> frozenset[str]:
    return frozenset(entry[2:] for entry in words("header_labels") if entry.startswith("= "))


@cache
def _other_labels() -> frozenset[str]:
    return frozenset(entry for entry in words("header_labels") if not entry.startswith("= "))


def _label(line: str) -> str:
    bare = line.strip().lstrip("*")
    name, colon, _ = bare.replace("\uff1a", ":").partition(":")
    if not colon or len(name) > _LABEL_LENGTH_MAX:
        return ""
    return fold(name.strip("* "))


def _is_header_block(lines: list[str], index: int) -> bool:
    if _label(lines[index]) not in _sender_labels():
        return False
    labels = {_label(line) for line in lines[index : index + _HEADER_LINES_MAX]}
    return 1 + len(labels & _other_labels()) >= _HEADERS_MIN

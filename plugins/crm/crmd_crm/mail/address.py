"""Address lists as real headers hold them: groups, comments, routes, encoded words, lists split by `;`.

One pass over the tokens; encoded words are decoded only after the list is split, since they may hold commas.
"""

import re
from dataclasses import dataclass

from crmd_crm.mail.encoded_word import WORD, decode_words
from crmd_crm.mail.header import one_line

_NAME_CHARS_MAX = 500
_ADDRESS_CHARS_MAX = 320
_COMMENT_DEPTH_MAX = 20
_SPECIALS = ',;:<("'
_PLAIN = re.compile(r'[^,;:<("]+')
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)("?)')
_ANGLE = re.compile(r"<([^<>]*)(>|$|(?=<))")
_COMMENT = re.compile(r"\((?:[^()\\]|\\.)*\)")
_AROUND_AT = re.compile(r"(?<=\S)[ \t]{0,9}@[ \t]{0,9}(?=\S)")
_BEFORE_DOT = re.compile(r"(@[^\s@,;<>]{1,255})[ \t]{1,9}\.[ \t]{0,9}(?=\w)")
_ADDRESS = re.compile(
    r'(?:(?<![^\s@<>()",:;\\\[\]])[^\s@<>()",:;\\\[\]]{1,200}|"[^"@]{1,100}")@(?:[^\s@<>()",:;\\\[\]]{1,255}|\[[0-9A-Fa-f:.IPv]{2,60}\])'
)


@dataclass(frozen=True, slots=True)
class Address:
    """Somebody a message names. `address` is lower-case, None when only a name was written."""

    name: str
    address: str | None


@dataclass(slots=True)
class _Mailbox:
    """What was read since the last separator."""

    words: list[str]
    comments: list[str]
    angle: str | None = None


def read_addresses(line: str, addresses_max: int) -> tuple[Address, ...]:
    """Everybody in one unfolded header line, in order; empty list members and undisclosed groups give nobody."""
    line = _without_open_quote(line)
    found: list[Address] = []
    box = _Mailbox([], [])
    at = 0
    while at < len(line) and len(found) < addresses_max:
        at = _step(line, at, box, found)
        if at < 0:
            box, at = _Mailbox([], []), -at
    _close(box, found)
    return tuple(found[:addresses_max])


def _without_open_quote(line: str) -> str:
    """The line with a quotation mark that never closes, and all behind it, made blank: it must not swallow the rest."""
    for quoted in _QUOTED.finditer(line):
        if not quoted[2]:
            return line[: quoted.start()] + line[quoted.start() :].replace('"', " ")
    return line


def _step(line: str, at: int, box: _Mailbox, found: list[Address]) -> int:
    """Read one token into the mailbox; the next offset, negative when the mailbox ended there."""
    char = line[at]
    word = WORD.match(line, at) if char == "=" else None
    if word is not None:
        box.words.append(word[0])
        return word.end()
    if char == '"' and (quoted := _QUOTED.match(line, at)):
        return _take_quoted(line, quoted, box)
    if char == "<" and (angle := _ANGLE.match(line, at)):
        if box.angle is None or not box.angle.strip():
            box.angle = angle[1]
        return angle.end()
    if char == "(":
        comment, end = _comment(line, at)
        box.comments.append(comment)
        return end
    if char == ":" and box.angle is None and not any("@" in each for each in box.words):
        box.words.clear()  # the name of a group, or mailto:
        return at + 1
    if char in ",;":
        _close(box, found)
        return -(at + 1)
    plain = _PLAIN.match(line, at)
    text = plain[0] if plain is not None else char
    inner = text.find("=?", 1)
    if inner > 0:
        text = text[:inner]
    box.words.append(text)
    return at + len(text)


def _take_quoted(line: str, quoted: re.Match[str], box: _Mailbox) -> int:
    """A quoted name; or the quoted local part of an address, which is kept with its quotes."""
    if line[quoted.end() : quoted.end() + 1] == "@":
        box.words.append(quoted[0])
    else:
        box.words.append(" " + re.sub(r"\\(.)", r"\1", quoted[1]) + " ")
    return quoted.end()


def _comment(line: str, at: int) -> tuple[str, int]:
    """The text of a (nested (comment)) and the offset behind it; an unclosed bracket is passed over."""
    depth = 0
    escaped = False
    for index in range(at, len(line)):
        if escaped or line[index] == "\\":
            escaped = not escaped
        elif line[index] == "(":
            depth += 1
        elif line[index] == ")":
            depth -= 1
            if depth == 0:
                return line[at + 1 : index].replace("\\", ""), index + 1
        if depth > _COMMENT_DEPTH_MAX:
            break
    return "", at + 1


def _close(box: _Mailbox, found: list[Address]) -> None:
    phrase = "".join(box.words)
    comment = " ".join(box.comments)
    if box.angle is not None:
        address = clean_address(box.angle)
        name = phrase if phrase.strip() else comment
        if address is None and not name.strip() and "@" not in box.angle:
            name = box.angle
        _add(found, name, address)
        return
    if "@" in phrase:
        phrase = _BEFORE_DOT.sub(r"\1.", _AROUND_AT.sub("@", phrase))
    members = _ADDRESS.findall(phrase) if "@" in phrase else []
    if not members:
        _add(found, phrase if phrase.strip() else "", clean_address(phrase))
        return
    rest = _ADDRESS.sub(" ", phrase).strip() if len(members) == 1 else ""
    for member in members:
        _add(found, rest or comment, clean_address(member))


def _add(found: list[Address], name: str, address: str | None) -> None:
    shown = one_line(decode_words(one_line(name))).strip("'\" ")[:_NAME_CHARS_MAX]
    if shown.lower() == address or not any(char.isalnum() for char in shown):
        shown = ""
    if address is not None or shown:
        found.append(Address(shown, address))


def clean_address(text: str) -> str | None:
    """The lower-case address in text, spaces around its dots and its route removed; None when there is none."""
    text = _COMMENT.sub("", decode_words(text)).strip().strip("<>'").strip()
    if text.startswith("@") and ":" in text:
        text = text.rpartition(":")[2]  # <@relay,@relay:user@host>
    if text.lower().startswith(("mailto:", "smtp:")):
        text = text.partition(":")[2]
    if not text.startswith('"'):
        text = "".join(text.split())
    match = _ADDRESS.search(text[: 4 * _ADDRESS_CHARS_MAX])
    if match is None:
        return None
    local, _, domain = match[0].rpartition("@")
    address = f"{local}@{domain.strip('.')}".lower()
    is_usable = bool(local) and bool(domain.strip(".")) and len(address) <= _ADDRESS_CHARS_MAX
    return address if is_usable else None

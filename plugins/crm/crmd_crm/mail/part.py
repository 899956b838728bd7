"""The MIME tree of a message, as offsets into its bytes: nothing is copied until a leaf is decoded.

Bounded in depth and number of parts, and linear: each level scans its own bytes once.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from crmd_crm.mail.header import Headers, looks_like_mail, read_headers, unfold
from crmd_crm.mail.limits import MailLimits
from crmd_crm.mail.parameter import Valued, read_valued
from crmd_crm.mail.transfer import decode_transfer

_DELIMITER_GUESS = re.compile(rb"^--([^\r\n]{1,200}?)[ \t]*\r?$", re.MULTILINE)
_TYPE = re.compile(r"[a-z0-9.+_-]{1,100}/[a-z0-9.+_-]{1,100}")


@dataclass(slots=True)
class Part:
    """A node of the tree: a leaf, or a multipart with children. Bounds are offsets of its body into the message."""

    data: bytes
    headers: Headers
    content: Valued
    disposition: Valued
    start: int
    end: int
    parent: "Part | None" = None
    children: list["Part"] = field(default_factory=list)

    @property
    def type(self) -> str:
        """Lower-case main/sub type; text/plain when none or nonsense is declared."""
        return self.content.value

    def body(self, bytes_max: int | None = None) -> tuple[bytes, bool]:
        """The decoded bytes and whether the transfer encoding was sound; reads at most bytes_max encoded bytes."""
        end = self.end if bytes_max is None else min(self.end, self.start + bytes_max)
        return decode_transfer(self.data[self.start : end], self.headers.line("content-transfer-encoding"))

    def walk(self) -> Iterator["Part"]:
        """This part and all below it, in order."""
        stack = [self]
        while stack:
            part = stack.pop()
            yield part
            stack.extend(reversed(part.children))


@dataclass(slots=True)
class _Count:
    """What is spent of the limits so far, and what went wrong."""

    parts: int
    defects: set[str]


def read_tree(data: bytes, limits: MailLimits, defects: set[str]) -> Part:
    """The tree of the message in data; codes of what was wrong are added to defects."""
    count = _Count(0, defects)
    return _read(data, _first_line(data), len(data), None, limits, count, depth=0)


def _first_line(data: bytes) -> int:
    """Where the message starts: byte order mark and blank lines before the header are skipped."""
    at = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    while at < len(data) and data[at] in b" \t\r\n":
        at += 1
    line_start = data.rfind(b"\n", 0, at) + 1
    return max(line_start, 3 if data.startswith(b"\xef\xbb\xbf") else 0)


def _read(
    data: bytes, start: int, end: int, parent: Part | None, limits: MailLimits, count: _Count, *, depth: int
) -> Part:
    count.parts += 1
    headers, body = read_headers(data, start, end, limits.header_bytes_max, limits.header_fields_max)
    if headers.has_junk:
        count.defects.add("junk_in_header")
    default = "message/rfc822" if parent is not None and parent.type == "multipart/digest" else "text/plain"
    disposition = read_valued(headers.line("content-disposition"))
    part = Part(data, headers, _content(headers, default), disposition, body, end, parent)
    if part.type.startswith("multipart/"):
        _split(part, limits, count, depth)
    elif parent is None and part.content.value == "text/plain" and headers.raw("content-type") is None:
        _guess_multipart(part, limits, count, depth)
    return part


def _content(headers: Headers, default: str) -> Valued:
    """The first usable Content-Type; a multipart one that has a boundary wins over a plain one beside it."""
    values = [read_valued(unfold(raw)) for raw in headers.raw_all("content-type")[:5]]
    usable = [value for value in values if _TYPE.fullmatch(value.value)]
    if usable:
        return next((value for value in usable if "boundary" in value.parameters), usable[0])
    bare = {"text": "text/plain", "html": "text/html", "multipart": "multipart/mixed"}
    first = values[0] if values else Valued()
    return Valued(bare.get(first.value, default), first.parameters)


def _guess_multipart(part: Part, limits: MailLimits, count: _Count, depth: int) -> None:
    """A message that lost its Content-Type but not its parts: delimiter lines each followed by a Content- header."""
    head = part.data[part.start : min(part.end, part.start + 4_000)]
    match = _DELIMITER_GUESS.search(head)
    if match is None or not re.match(rb"\s{0,4}content-type:", head[match.end() : match.end() + 40], re.IGNORECASE):
        return
    part.content = Valued("multipart/mixed", {})
    _split(part, limits, count, depth)


def _split(part: Part, limits: MailLimits, count: _Count, depth: int) -> None:
    spans = list(_spans(part, limits.parts_max - count.parts)) if depth < limits.depth_max else []
    if not spans:
        count.defects.add("boundary_missing" if depth < limits.depth_max else "too_deep")
        _become_leaf(part)
        return
    if len(spans) >= limits.parts_max - count.parts:
        count.defects.add("too_many_parts")
    for start, end in spans:
        if count.parts >= limits.parts_max:
            break
        part.children.append(_read(part.data, start, end, part, limits, count, depth=depth + 1))


def _become_leaf(part: Part) -> None:
    """A multipart without parts is read as the text it holds."""
    head = part.data[part.start : part.start + 1_000].lower()
    is_html = b"<html" in head or b"<body" in head
    part.content = Valued("text/html" if is_html else "text/plain", part.content.parameters)


def _spans(part: Part, spans_max: int) -> Iterator[tuple[int, int]]:
    """(start, end) of each part between delimiter lines."""
    boundary = _boundary(part)
    if boundary is None:
        return
    start: int | None = None
    found = 0
    for line_start, line_end, is_last in _delimiters(part, b"--" + boundary):
        if start is not None:
            found += 1
            yield start, _before_newline(part.data, start, line_start)
        start = None if is_last else line_end
        if is_last or found >= spans_max:
            break
    if start is not None and start < part.end and found < spans_max:
        yield start, part.end


def _delimiters(part: Part, delimiter: bytes) -> Iterator[tuple[int, int, bool]]:
    """(start, end, closes the multipart) of each line that is the delimiter; looks at each line once at most."""
    data = part.data
    at = part.start
    while (hit := data.find(delimiter, at, part.end)) >= 0:
        newline = data.find(b"\n", hit, part.end)
        line_end = part.end if newline < 0 else newline + 1
        rest = data[hit + len(delimiter) : min(line_end, hit + len(delimiter) + 100)].rstrip()
        if (hit == part.start or data[hit - 1 : hit] == b"\n") and rest in {b"", b"--"}:
            yield hit, line_end, rest == b"--"
        at = line_end


def _before_newline(data: bytes, start: int, end: int) -> int:
    """The line break before a delimiter belongs to the delimiter."""
    if end > start and data[end - 1 : end] == b"\n":
        end -= 1
        if end > start and data[end - 1 : end] == b"\r":
            end -= 1
    return end


def _boundary(part: Part) -> bytes | None:
    """The declared boundary when it occurs; else the first delimiter line that is followed by a header."""
    declared = part.content.parameters.get("boundary", "").strip()
    raw = declared.encode("utf-8", "replace")
    if raw and part.data.find(b"--" + raw, part.start, part.end) >= 0:
        return raw
    for match in _DELIMITER_GUESS.finditer(part.data, part.start, min(part.end, part.start + 64 * 1024)):
        following = part.data[match.end() : match.end() + 200].lstrip(b"\r\n")
        if following[:8].lower() == b"content-":
            return match[1]
    return None


def attached_headers(part: Part, limits: MailLimits) -> Headers:
    """The headers of a message/rfc822 or text/rfc822-headers part."""
    data, _ = part.body(limits.header_bytes_max)
    headers, _ = read_headers(data, 0, len(data), limits.header_bytes_max, limits.header_fields_max)
    return headers if looks_like_mail(headers) else Headers(())

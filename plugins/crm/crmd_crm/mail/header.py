"""The header block of a message: where it ends, its fields in order, and their text."""

import re
from dataclasses import dataclass

from crmd_crm.mail.charset import decode_text
from crmd_crm.mail.encoded_word import decode_words

_FIELD = re.compile(rb"([!-9;-~]{1,200}?)[ \t]{0,20}:")
_BLANK_RUN = re.compile(r"[ \t\r\n\f\v]+")
# Fields that only mail has; one of them must be there for bytes to be a message.
_MAIL_FIELDS = frozenset(
    b"from to cc bcc subject date message-id sender reply-to received return-path mime-version content-type"
    b" delivered-to in-reply-to references x-mailer content-transfer-encoding resent-from apparently-to envelope-to"
    b" x-envelope-to".split()
)
_VALUE_CHARS_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class Headers:
    """Header fields in order: (lower-case name, raw value with its line breaks)."""

    fields: tuple[tuple[str, bytes], ...]
    has_junk: bool = False

    def raw(self, name: str) -> bytes | None:
        """The first field of that name that says something, else an empty one, else None."""
        values = self.raw_all(name)
        return next((value for value in values if value.strip()), values[0] if values else None)

    def raw_all(self, name: str) -> list[bytes]:
        """Every field of that name, in order."""
        return [value for key, value in self.fields if key == name]

    def line(self, name: str) -> str:
        """The field unfolded to one line, 8-bit bytes decoded, encoded words left as they are; '' when absent."""
        value = self.raw(name)
        return "" if value is None else unfold(value)

    def text(self, name: str) -> str:
        """The field as a reader sees it: unfolded, decoded; '' when absent."""
        return decode_words(self.line(name)).strip()


def unfold(value: bytes) -> str:
    """A raw field value as one line of text, runs of white space around folds made one space."""
    text, _ = decode_text(value[:_VALUE_CHARS_MAX], None)
    if "\n" in text or "\r" in text:
        lines = (line.strip(" \t") for line in text.replace("\r", "\n").split("\n"))
        text = " ".join(line for line in lines if line)
    return text.strip()


def one_line(text: str) -> str:
    """Text with every run of white space made one space, control characters dropped."""
    return _BLANK_RUN.sub(" ", "".join(char for char in text if char >= " " or char in "\t\r\n")).strip()


def read_headers(data: bytes, start: int, end: int, bytes_max: int, fields_max: int) -> tuple[Headers, int]:
    """The fields from start on, and where the body begins. Stops at an empty line or at what is no header."""
    fields: list[tuple[str, list[bytes]]] = []
    has_junk = False
    at = start
    stop = min(end, start + bytes_max)
    while at < stop and len(fields) < fields_max:
        following = _line_end(data, at, end)
        line = data[at:following]
        if not line.strip(b"\r\n"):
            at = following
            break
        if line[:1] in b" \t":
            if not line.strip() and not _goes_on(data, following, end):
                at = following
                break
            if fields:
                fields[-1][1].append(line)
        elif (match := _FIELD.match(line)) is not None:
            fields.append((match[1].decode("ascii").lower(), [line[match.end() :]]))
        elif _is_envelope_line(line, fields) or _goes_on(data, following, end):
            has_junk = has_junk or bool(fields)
        else:
            has_junk = True
            break
        at = following
    return Headers(tuple((name, b"".join(lines)) for name, lines in fields), has_junk), at


def looks_like_mail(headers: Headers) -> bool:
    """Whether at least one field is one that only mail has."""
    return any(name.encode() in _MAIL_FIELDS for name, _ in headers.fields)


def _line_end(data: bytes, at: int, end: int) -> int:
    newline = data.find(b"\n", at, end)
    return end if newline < 0 else newline + 1


def _is_envelope_line(line: bytes, fields: list[tuple[str, list[bytes]]]) -> bool:
    return not fields and line.startswith((b"From ", b">From "))


def _goes_on(data: bytes, at: int, end: int) -> bool:
    """Whether the next line is still header: a field that mail has, or a folded line."""
    line = data[at : min(end, _line_end(data, at, end), at + 2_000)]
    if line[:1] in (b" ", b"\t"):
        return bool(line.strip())
    match = _FIELD.match(line)
    return match is not None and (match[1].lower() in _MAIL_FIELDS or match[1].lower().startswith((b"x-", b"content-")))

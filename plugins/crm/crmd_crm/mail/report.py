"""Delivery reports read as RFC 3464 has them: one block of fields per message, then one per recipient."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from crmd_crm.mail.address import clean_address
from crmd_crm.mail.charset import decode_text
from crmd_crm.mail.encoded_word import decode_words
from crmd_crm.mail.header import Headers, one_line, read_headers
from crmd_crm.mail.limits import DEFAULT_LIMITS
from crmd_crm.mail.part import Part, attached_headers

STATUS_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})
_RETURNED_TYPES = frozenset(
    {"message/rfc822", "text/rfc822-headers", "text/rfc822-header", "message/global", "message/global-headers"}
)
_REPORT_BYTES_MAX = 256 * 1024
_BLOCKS_MAX = 1_000
_DIAGNOSTIC_CHARS_MAX = 1_000
_BLANK_LINES = re.compile(r"\n[ \t]*\n")
_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]\d)")
_ACTIONS = frozenset({"failed", "delayed", "delivered", "relayed", "expanded"})


@dataclass(frozen=True, slots=True)
class BouncedRecipient:
    """What a report says of one recipient: `action` failed or delayed, `status` as 5.1.1 (RFC 3463), '' if not told."""

    address: str
    action: str
    status: str
    diagnostic: str


def read_reports(tree: Part) -> Iterator[BouncedRecipient]:
    """Each recipient block of each delivery-status part, successes included."""
    for part in tree.walk():
        if part.type in STATUS_TYPES:
            yield from _read_report(part)


def _read_report(part: Part) -> Iterator[BouncedRecipient]:
    data, _ = part.body(_REPORT_BYTES_MAX)
    text = decode_text(data, None)[0].replace("\r\n", "\n").replace("\r", "\n")
    for block in _BLANK_LINES.split(text)[:_BLOCKS_MAX]:
        raw = block.strip("\n").encode()
        fields, _ = read_headers(raw, 0, len(raw), _REPORT_BYTES_MAX, _BLOCKS_MAX)
        recipient = _recipient(fields)
        if recipient is not None:
            yield recipient


def _recipient(fields: Headers) -> BouncedRecipient | None:
    address = _typed_address(fields.line("final-recipient")) or _typed_address(fields.line("original-recipient"))
    action = re.split(r"[\s(;]", fields.line("action").lower().strip(), maxsplit=1)[0]
    if not address and action not in _ACTIONS:
        return None
    diagnostic = one_line(decode_words(fields.line("diagnostic-code")))[:_DIAGNOSTIC_CHARS_MAX]
    status = find_status(fields.line("status")) or find_status(diagnostic)
    if action not in _ACTIONS:
        action = "delayed" if status.startswith("4") else "failed"
    return BouncedRecipient(address, action, status, diagnostic)


def _typed_address(line: str) -> str:
    """`rfc822; user@host` without its type, as an address, else as it is written."""
    value = line.partition(";")[2] or line
    return clean_address(value) or one_line(value).strip('<>" ').lower()[:320]


def find_status(text: str) -> str:
    """The first enhanced status code in text, such as 5.1.1; '' when there is none."""
    match = _STATUS.search(text)
    return match[0] if match is not None else ""


def returned_message_id(tree: Part) -> str | None:
    """The Message-ID of the message that a report returns, which finds the message that bounced."""
    for part in tree.walk():
        if part.type in _RETURNED_TYPES and part is not tree:
            found = re.search(r"<([^<>\s]{1,900})>", attached_headers(part, DEFAULT_LIMITS).line("message-id"))
            if found is not None:
                return found[1]
    return None

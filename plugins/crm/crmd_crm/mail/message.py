"""One message read from its bytes: who, what, when, the text and the list of attachments, whatever state it is in."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from crmd_crm.mail.address import Address, read_addresses
from crmd_crm.mail.content import Attachment, read_content
from crmd_crm.mail.header import Headers, looks_like_mail, one_line, unfold
from crmd_crm.mail.instant import read_instant
from crmd_crm.mail.limits import DEFAULT_LIMITS, MailLimits
from crmd_crm.mail.part import Part, read_tree

_SUBJECT_CHARS_MAX = 2_000
_ID_CHARS_MAX = 900
_SNIPPET_CHARS_MAX = 200
_ID = re.compile(r"<([^<>]{1,900})>")
_COMMENT = re.compile(r"\([^()<>]{0,200}\)")
_INSTANT_IN_RECEIVED = re.compile(r";([^;]{5,200})$")


class Unparseable(ValueError):  # noqa: N818 - a word of the domain: the bytes can't be a message, which is no error of ours
    """The bytes can't be a message at all; `reason` is one sentence for the quarantine."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ParsedMail:
    """A message as a careful reader takes it; every text can be stored in PostgreSQL as it is.

    `sent_at` is the Date header and None when it is absent or junk; `relayed_at` the newest Received header's instant.
    `defects` are short codes of what was wrong. `tree` is the MIME tree, for what looks deeper (reports).
    """

    subject: str
    from_: tuple[Address, ...]
    sender: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    bcc: tuple[Address, ...]
    sent_at: datetime | None
    relayed_at: datetime | None
    message_id: str | None
    in_reply_to: str | None
    references: tuple[str, ...]
    text: str
    html: str | None
    attachments: tuple[Attachment, ...]
    headers: Headers
    tree: Part
    size_bytes: int
    sha256: bytes
    defects: tuple[str, ...]

    @property
    def snippet(self) -> str:
        """The first words of the text, on one line."""
        return one_line(self.text[: 10 * _SNIPPET_CHARS_MAX])[:_SNIPPET_CHARS_MAX]


def parse_message(raw: bytes, limits: MailLimits = DEFAULT_LIMITS) -> ParsedMail:
    """Read one message. Raises Unparseable, and nothing else, when the bytes can't be a message."""
    if not raw.strip(b" \t\r\n\x00"):
        raise Unparseable("The message is empty.")
    if len(raw) > limits.message_bytes_max:
        raise Unparseable(f"The message has {len(raw)} bytes, more than the {limits.message_bytes_max} that are read.")
    data = raw.replace(b"\r", b"\n") if b"\n" not in raw and b"\r" in raw else raw
    defects: set[str] = set()
    tree = read_tree(data, limits, defects)
    if not looks_like_mail(tree.headers):
        raise Unparseable("The bytes don't start with a mail header.")
    return _collect(raw, tree, limits, defects)


def _collect(raw: bytes, tree: Part, limits: MailLimits, defects: set[str]) -> ParsedMail:
    headers = tree.headers
    content = read_content(tree, limits)
    sent_at = read_instant(headers.text("date"))
    if sent_at is None:
        defects.add("bad_date" if headers.line("date") else "no_date")
    from_ = _people(headers, "from", limits)
    if not from_:
        defects.add("no_from")
    text = "\n\n".join(content.texts)
    html = "\n".join(content.htmls) or None
    return ParsedMail(
        subject=one_line(headers.text("subject"))[:_SUBJECT_CHARS_MAX],
        from_=from_,
        sender=_people(headers, "sender", limits),
        reply_to=_people(headers, "reply-to", limits),
        to=_people(headers, "to", limits) or _people(headers, "apparently-to", limits),
        cc=_people(headers, "cc", limits),
        bcc=_people(headers, "bcc", limits),
        sent_at=sent_at,
        relayed_at=_relayed_at(headers),
        message_id=next(iter(_ids(headers.raw_all("message-id")[:1], is_strict=False)), None),
        in_reply_to=next(iter(_ids(headers.raw_all("in-reply-to"), is_strict=True)), None),
        references=tuple(_ids(headers.raw_all("references"), is_strict=True))[-limits.references_max :],
        text=text[: limits.text_chars_max],
        html=html[: limits.html_chars_max] if html else None,
        attachments=tuple(content.attachments),
        headers=headers,
        tree=tree,
        size_bytes=len(raw),
        sha256=hashlib.sha256(raw).digest(),
        defects=tuple(sorted(defects | content.defects)),
    )


def _people(headers: Headers, name: str, limits: MailLimits) -> tuple[Address, ...]:
    """Everybody in all fields of that name: real mail repeats them, and each line is somebody."""
    found: dict[Address, None] = {}
    for value in headers.raw_all(name):
        found.update(dict.fromkeys(read_addresses(unfold(value), limits.addresses_max)))
    return tuple(found)[: limits.addresses_max]


def _ids(values: Iterable[bytes], *, is_strict: bool) -> list[str]:
    """Message ids in order, without brackets and inner blanks; lax: a lone word without brackets counts too."""
    ids: dict[str, None] = {}
    for value in values:
        line = _COMMENT.sub("", unfold(value))
        found = ["".join(each.split()) for each in _ID.findall(line)]
        if not found and line and not is_strict:
            found = ["".join(line.strip("<>").split())[:_ID_CHARS_MAX]]
        ids.update(dict.fromkeys(each for each in found if each))
    return list(ids)


def _relayed_at(headers: Headers) -> datetime | None:
    for value in headers.raw_all("received")[:5]:
        match = _INSTANT_IN_RECEIVED.search(unfold(value)[-300:])
        if match is not None and (instant := read_instant(match[1])) is not None:
            return instant
    return None

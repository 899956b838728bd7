"""What a reader takes from the MIME tree: the text, the HTML, and the list of attachments."""

import re
from dataclasses import dataclass, field

from crmd_crm.mail.charset import decode_text, storable
from crmd_crm.mail.header import one_line
from crmd_crm.mail.limits import MailLimits
from crmd_crm.mail.markup import text_of_html
from crmd_crm.mail.part import Part, attached_headers
from crmd_crm.mail.uuencoded import split_uuencoded

_FILENAME_CHARS_MAX = 255
_MARK = re.compile(r"<[^<>\n]{0,100}>")
_META_CHARSET = re.compile(rb"<meta[^<>]{0,200}charset\s{0,3}=\s{0,3}[\"']?([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
# Machine parts of a report: they are the message's meaning, not something somebody attached.
_REPORT_PARTS_NAMES = (
    "message/delivery-status message/global-delivery-status message/feedback-report"
    " message/disposition-notification message/external-body text/rfc822-headers text/rfc822-header"
    " message/global-headers"
)
_REPORT_PARTS = frozenset(_REPORT_PARTS_NAMES.split())
_TEXT_TYPES_NAMES = "text/plain text/html text/enriched text/richtext"
_TEXT_TYPES = frozenset(_TEXT_TYPES_NAMES.split())
_SHADOWS_NAMES = "text/x-amp-html text/watch-html text/x-watch-html"
_SHADOWS = frozenset(_SHADOWS_NAMES.split())


@dataclass(frozen=True, slots=True)
class Attachment:
    """What is known of an attached part; size_bytes is decoded."""

    filename: str
    content_type: str
    size_bytes: int
    content_id: str | None
    is_inline: bool


@dataclass(slots=True)
class Content:
    """Collected while walking; `texts` in reading order."""

    texts: list[str] = field(default_factory=list)
    htmls: list[str] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    defects: set[str] = field(default_factory=set)


def read_content(root: Part, limits: MailLimits) -> Content:
    """Text, HTML and attachments of the tree, within the limits."""
    content = Content()
    _read(root, content, limits, is_first=True)
    first = root.children[0] if root.children else root
    is_mislabelled = root.type == "multipart/report" and first.type in _REPORT_PARTS
    if is_mislabelled and not any(text.strip() for text in content.texts):
        _read_text(first, content, limits)  # some systems label the human part as a report
    content.texts = [text for text in content.texts if text.strip()]
    return content


def _read(part: Part, content: Content, limits: MailLimits, *, is_first: bool) -> None:
    if part.children:
        _read_multipart(part, content, limits, is_first=is_first)
    elif _is_body(part, is_first=is_first):
        _read_text(part, content, limits)
    elif part.type not in _SHADOWS:
        _attach(part, content, limits)


def _read_multipart(part: Part, content: Content, limits: MailLimits, *, is_first: bool) -> None:
    if part.type == "multipart/alternative":
        _read_alternative(part, content, limits, is_first=is_first)
    elif part.type == "multipart/related":
        root = _related_root(part)
        for child in part.children:
            _read(child, content, limits, is_first=is_first and child is root)
    else:
        for child in part.children:
            _read(child, content, limits, is_first=is_first and not content.texts)


def _related_root(part: Part) -> Part:
    start = part.content.parameters.get("start", "").strip("<> ")
    ids = (child for child in part.children if start and child.headers.line("content-id").strip("<> ") == start)
    return next(ids, part.children[0])


def _read_alternative(part: Part, content: Content, limits: MailLimits, *, is_first: bool) -> None:
    """One text of several: the plain one when it says something, else the last that does. HTML is kept beside it."""
    plain: list[str] = []
    other: list[str] = []
    for child in part.children:
        found = Content(defects=content.defects)
        _read(child, found, limits, is_first=is_first or not content.texts)
        if any(text.strip() for text in found.texts):
            if found.htmls:
                other = found.texts
            else:
                plain = plain or found.texts
        content.htmls.extend(found.htmls)
        content.attachments.extend(found.attachments)
    content.texts.extend(plain or other)


def _is_body(part: Part, *, is_first: bool) -> bool:
    """Whether a leaf is shown as text: no attachment, and not named unless it is the message's first text."""
    if part.type not in _TEXT_TYPES or part.disposition.value == "attachment":
        return False
    return is_first or not _filename(part)


def _read_text(part: Part, content: Content, limits: MailLimits) -> None:
    data, is_sound = part.body(limits.text_chars_max * 6)
    if not is_sound:
        content.defects.add("bad_transfer_encoding")
    declared = part.content.parameters.get("charset")
    is_html = part.type == "text/html"
    if is_html and declared is None and (meta := _META_CHARSET.search(data[:4_000])):
        declared = meta[1].decode("ascii")
    text, is_guess = decode_text(data, declared)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if is_guess:
        content.defects.add("charset_guessed")
    chars_max = limits.html_chars_max if is_html else limits.text_chars_max
    if len(text) > chars_max or part.end - part.start > limits.text_chars_max * 6:
        content.defects.add("text_cut")
        text = text[:chars_max]
    if is_html:
        content.htmls.append(text)
        text = storable(text_of_html(text))
    elif part.type == "text/plain":
        text, files = split_uuencoded(text)
        content.attachments.extend(
            Attachment(name, "application/octet-stream", size, None, is_inline=False) for name, size in files
        )
    else:
        text = _MARK.sub("", text)
    content.texts.append(tidy(text))


def tidy(text: str) -> str:
    """No control characters, no blank lines at either end."""
    text = text.strip("\n")
    return "".join(char for char in text if char >= " " or char in "\n\t") if not text.isprintable() else text


def _attach(part: Part, content: Content, limits: MailLimits) -> None:
    filename = _filename(part)
    is_report = part.parent is not None and part.parent.type == "multipart/report"
    if part.type in _REPORT_PARTS and not filename and (is_report or part.disposition.value != "attachment"):
        return
    if len(content.attachments) >= limits.attachments_max:
        content.defects.add("too_many_attachments")
        return
    data, is_sound = part.body()
    if not is_sound:
        content.defects.add("bad_transfer_encoding")
    if not data.strip() and not filename and part.disposition.value != "attachment":
        return
    content_id = one_line(part.headers.line("content-id")).strip("<> ")[:_FILENAME_CHARS_MAX] or None
    is_inline = part.disposition.value == "inline" or (
        content_id is not None and part.disposition.value != "attachment" and _is_related(part)
    )
    content.attachments.append(
        Attachment(filename or _subject_name(part, limits), part.type, len(data), content_id, is_inline)
    )


def _is_related(part: Part) -> bool:
    parent = part.parent
    while parent is not None:
        if parent.type == "multipart/related":
            return True
        parent = parent.parent
    return False


def _filename(part: Part) -> str:
    """The name a part gives itself: in its disposition, its type, or the end of its location."""
    parameters = part.disposition.parameters
    name = parameters.get("filename") or part.content.parameters.get("name") or parameters.get("name") or ""
    if not name and part.type not in _TEXT_TYPES and part.type.partition("/")[0] != "multipart":
        location = part.headers.text("content-location").partition("?")[0]
        name = location.rpartition("/")[2] if "." in location.rpartition("/")[2] else ""
    name = one_line(name).replace("\\", "/").rpartition("/")[2]
    return name[-_FILENAME_CHARS_MAX:]


def _subject_name(part: Part, limits: MailLimits) -> str:
    """An attached message without a name is called after its subject, as mail programs do."""
    if part.type not in {"message/rfc822", "message/global"}:
        return ""
    subject = one_line(attached_headers(part, limits).text("subject")).replace("/", "_")
    return f"{subject[:200]}.eml" if subject else ""

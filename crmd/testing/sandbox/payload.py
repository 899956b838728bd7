"""A message as the Gmail API shows it: the tree of parts, base64url bodies, attachment ids, a snippet."""

from __future__ import annotations

import base64
import html
import re
from email.message import Message
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from crmd.testing.sandbox.mailbox import StoredMessage

Format = Literal["full", "raw", "metadata", "minimal"]
SNIPPET_CHARACTERS = 200
# Gmail keeps large bodies out of the answer; what is large is not documented.
INLINE_BYTES_MAX = 500_000
TAG = re.compile(r"<[^<>]{0,2000}>")


def base64url(data: bytes) -> str:
    """Give bytes as the API sends them, padding included."""
    return base64.urlsafe_b64encode(data).decode("ascii")


def message_resource(message: StoredMessage, shape: str, metadata_headers: list[str]) -> dict[str, object]:
    """Give the message resource in one of the four formats."""
    resource: dict[str, object] = {
        "id": message.id,
        "threadId": message.thread_id,
        "labelIds": message.label_ids(),
        "snippet": snippet(message.original.parsed()),
        "historyId": str(message.history_id),
        "internalDate": str(message.internal_ms),
        "sizeEstimate": len(message.original.raw),
    }
    if not message.labels:
        del resource["labelIds"]
    if shape == "raw":
        resource["raw"] = base64url(message.original.raw)
    elif shape == "full":
        resource["payload"] = _part(message.original.parsed(), "", message.id)
    elif shape == "metadata":
        resource["payload"] = _metadata(message.original.parsed(), metadata_headers)
    return resource


def attachment_resource(message: StoredMessage, attachment_id: str) -> dict[str, object] | None:
    """Give an attachment's bytes, or None when the message has no such attachment."""
    for part_id, part in _walk(message.original.parsed(), ""):
        if attachment_id == _attachment_id(message.id, part_id):
            data = body_bytes(part)
            return {"size": len(data), "data": base64url(data)}
    return None


def body_bytes(part: Message) -> bytes:
    """Give a leaf's bytes without transfer encoding; text is turned into UTF-8, as Gmail does."""
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        children = part.get_payload()
        return b"\r\n".join(child.as_bytes() for child in children if isinstance(child, Message))
    if part.get_content_maintype() != "text" or part.get_filename():
        return payload
    return _text(part, payload).encode()


def snippet(message: Message) -> str:
    """Give the beginning of the first text, HTML-escaped as the API gives it."""
    for part in message.walk():
        if part.get_content_maintype() == "text" and not part.get_filename():
            text = body_bytes(part).decode("utf-8", "replace")[: SNIPPET_CHARACTERS * 40]
            if part.get_content_subtype() == "html":
                text = html.unescape(TAG.sub(" ", text))
            return html.escape(" ".join(text.split())[:SNIPPET_CHARACTERS])
    return ""


def _text(part: Message, payload: bytes) -> str:
    try:
        return payload.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        return payload.decode("utf-8", "replace")


def _part(part: Message, part_id: str, message_id: str) -> dict[str, object]:
    resource: dict[str, object] = {
        "partId": part_id,
        "mimeType": part.get_content_type(),
        "filename": part.get_filename() or "",
        "headers": _headers(part),
        "body": _body(part, part_id, message_id),
    }
    if children := _children(part):
        resource["parts"] = [_part(child, _child_id(part_id, at), message_id) for at, child in enumerate(children)]
    return resource


def _body(part: Message, part_id: str, message_id: str) -> dict[str, object]:
    if part.get_content_maintype() == "multipart":
        return {"size": 0}
    data = body_bytes(part)
    if part.get_filename() or len(data) > INLINE_BYTES_MAX or part.get_content_type() == "message/rfc822":
        return {"attachmentId": _attachment_id(message_id, part_id), "size": len(data)}
    return {"size": len(data), "data": base64url(data)} if data else {"size": 0}


def _children(part: Message) -> list[Message]:
    """Give the parts below; the groups of a delivery status are its text, not parts."""
    payload = part.get_payload()
    if not isinstance(payload, list) or part.get_content_type() == "message/delivery-status":
        return []
    return [child for child in payload if isinstance(child, Message)]


def _walk(part: Message, part_id: str) -> list[tuple[str, Message]]:
    found = [(part_id, part)]
    for at, child in enumerate(_children(part)):
        found += _walk(child, _child_id(part_id, at))
    return found


def _child_id(part_id: str, at: int) -> str:
    return f"{part_id}.{at}" if part_id else str(at)


def _attachment_id(message_id: str, part_id: str) -> str:
    return "ANGjdJ" + base64url(f"{message_id}/{part_id}".encode()).rstrip("=")


def _headers(part: Message) -> list[dict[str, str]]:
    return [{"name": name, "value": " ".join(str(value).splitlines())} for name, value in part.items()]


def _metadata(message: Message, wanted: list[str]) -> dict[str, object]:
    names = {name.lower() for name in wanted}
    headers = [header for header in _headers(message) if not names or header["name"].lower() in names]
    return {"mimeType": message.get_content_type(), "headers": headers}

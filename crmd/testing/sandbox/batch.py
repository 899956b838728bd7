"""The multipart batch protocol: calls out of one body, answers into one body."""

from __future__ import annotations

import email.parser
import http
from email.message import Message
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from crmd.testing.sandbox.exchange import Call, Reply
from crmd.testing.sandbox.google_errors import invalid

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

PARTS_MAX = 100
BOUNDARY = "batch_sandbox_b0und4ry"


class WrongBatchError(ValueError):
    """A batch body that is not what the protocol asks for."""


def batched_calls(outer: Call) -> list[tuple[str, Call]]:
    """Give the inner calls with their Content-IDs.

    Raises:
        WrongBatchError: The body is no multipart/mixed of application/http parts.
        RefusedCall: There are too many parts (400).
    """
    if outer.media_type() != "multipart/mixed":
        raise WrongBatchError("Content-Type must be multipart/mixed")
    head = f"Content-Type: {outer.headers['content-type']}\r\n\r\n".encode()
    message = email.parser.BytesParser().parsebytes(head + outer.body)
    parts = message.get_payload()
    if not isinstance(parts, list) or message.defects:
        raise WrongBatchError("the body is not multipart, or its boundary does not fit")
    if len(parts) > PARTS_MAX:
        raise invalid(f"Inner request count exceeds the limit. Received: {len(parts)}, Limit: {PARTS_MAX}")
    calls = []
    for part in parts:
        if not isinstance(part, Message) or part.get_content_type() != "application/http":
            raise WrongBatchError("every part must be application/http")
        payload = part.get_payload(decode=True)
        calls.append((str(part.get("Content-ID", "")), _inner(outer, payload if isinstance(payload, bytes) else b"")))
    ids = [content_id for content_id, _ in calls if content_id]
    if len(ids) != len(set(ids)):
        raise WrongBatchError("Content-IDs must differ")
    return calls


def _inner(outer: Call, text: bytes) -> Call:
    head, _, body = text.replace(b"\r\n", b"\n").lstrip(b"\n").partition(b"\n\n")
    first, _, header_lines = head.decode("utf-8", "replace").partition("\n")
    words = first.split()
    if len(words) not in {2, 3} or not words[1].startswith("/"):
        raise WrongBatchError(f"a part must open with method and path, not {first[:80]!r}")
    url = urlsplit(words[1])
    inner = email.parser.HeaderParser().parsestr(header_lines)
    shared = {name: value for name, value in outer.headers.items() if not name.startswith("content-")}
    headers = {**shared, **{name.lower(): str(value) for name, value in inner.items()}}
    query = tuple(parse_qsl(url.query, keep_blank_values=True))
    return Call(words[0].upper(), unquote(url.path), query, headers, body, in_batch=True)


def batch_reply(answers: Sequence[tuple[str, Reply]], dice: random.Random | None) -> Reply:
    """Give the multipart answer; with dice its parts come in another order than they were asked for."""
    shown = list(answers)
    if dice is not None:
        dice.shuffle(shown)
    body = b"".join(_part(content_id, reply) for content_id, reply in shown) + f"--{BOUNDARY}--\r\n".encode()
    return Reply(200, body, f"multipart/mixed; boundary={BOUNDARY}")


def _part(content_id: str, reply: Reply) -> bytes:
    lines = [f"--{BOUNDARY}", "Content-Type: application/http"]
    if content_id:
        lines.append(f"Content-ID: {_answered_id(content_id)}")
    lines += ["", f"HTTP/1.1 {reply.status} {_phrase(reply.status)}", f"Content-Type: {reply.content_type}"]
    lines += [f"{name}: {value}" for name, value in reply.headers]
    lines += [f"Content-Length: {len(reply.body)}", "", ""]
    return "\r\n".join(lines).encode() + reply.body + b"\r\n"


def _answered_id(content_id: str) -> str:
    """Put `response-` before the id, inside its brackets when it has them."""
    if content_id.startswith("<"):
        return f"<response-{content_id[1:]}"
    return f"response-{content_id}"


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"

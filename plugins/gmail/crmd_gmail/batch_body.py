"""The multipart body of a batch call: requests into bytes, and bytes into each part's own answer. Pure, linear."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BOUNDARY = "crmd_batch_part"
CONTENT_TYPE = f"multipart/mixed; boundary={BOUNDARY}"
_HEAD_BYTES_MAX = 64 * 1024
_FIELD_CHARS_MAX = 1_000
_BOUNDARY = re.compile(r'boundary="?([^";,\s]{1,200})', re.IGNORECASE)
_CONTENT_ID = re.compile(r"response-part-([0-9]{1,4})(?![0-9])", re.ASCII)
_STATUS = re.compile(r"HTTP/[0-9.]{1,5} ([0-9]{3})(?![0-9])", re.ASCII)


@dataclass(frozen=True, slots=True)
class PartAnswer:
    """The answer to one request of a batch; header names are Capitalised-Like-This."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def write_batch(paths: Sequence[str]) -> bytes:
    """The body that asks for these paths; part n is known as `part-n`."""
    parts = [
        f"--{BOUNDARY}\r\nContent-Type: application/http\r\nContent-ID: <part-{number}>\r\n\r\n"
        f"GET {path} HTTP/1.1\r\nAccept: application/json\r\n\r\n\r\n"
        for number, path in enumerate(paths)
    ]
    return f"{''.join(parts)}--{BOUNDARY}--\r\n".encode()


def read_batch(content_type: str, body: bytes, count: int) -> dict[int, PartAnswer] | None:
    """The answers by number of the part they belong to; None when the body is no batch answer at all.

    Parts come in any order and say whose they are; one that does not say it is taken by its position. Parts that are
    cut off or missing are left out.
    """
    found = _BOUNDARY.search(content_type[:_FIELD_CHARS_MAX])
    if found is None or not content_type.lower().startswith("multipart/"):
        return None
    pieces = (b"\n" + body).split(b"\n--" + found[1].encode())[1:]
    if not pieces:
        return None
    answers: dict[int, PartAnswer] = {}
    for position, piece in enumerate(pieces[: count + 1]):
        if piece.startswith(b"--"):
            break
        number, answer = _read_part(piece, position)
        if answer is not None and number < count:
            answers.setdefault(number, answer)
    return answers


def _read_part(piece: bytes, position: int) -> tuple[int, PartAnswer | None]:
    outer, rest = _cut(piece)
    name = _CONTENT_ID.search(_fields(outer).get("Content-Id", ""))
    number = int(name[1]) if name else position
    inner, body = _cut(rest)
    status = _STATUS.match(inner[:100].decode("latin-1").lstrip())
    if status is None:
        return number, None
    return number, PartAnswer(int(status[1]), _fields(inner), body)


def _cut(text: bytes) -> tuple[bytes, bytes]:
    """What is before and after the first blank line; the head is searched within its bound only."""
    ends = [(text.find(mark, 0, _HEAD_BYTES_MAX), len(mark)) for mark in (b"\r\n\r\n", b"\n\n")]
    at, length = min(((at, length) for at, length in ends if at >= 0), default=(-1, 0))
    return (text, b"") if at < 0 else (text[:at], text[at + length :])


def _fields(head: bytes) -> dict[str, str]:
    lines = head[:_HEAD_BYTES_MAX].decode("latin-1").splitlines()
    split = (line.partition(":") for line in lines if ":" in line)
    return {name.strip().title(): value.strip()[:_FIELD_CHARS_MAX] for name, _, value in split}

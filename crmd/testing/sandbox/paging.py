"""Opaque page tokens that hold a position, so that mail arriving between two pages shifts nothing."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, TypeVar

import msgspec

from crmd.testing.sandbox.google_errors import invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crmd.testing.sandbox.exchange import Call

Item = TypeVar("Item")
Key = tuple[int, str]


def page_size(call: Call, default: int = 100, most: int = 500) -> int:
    """Give how many items a page holds; Gmail quietly cuts what is too many."""
    text = call.value("maxResults", str(default))
    if not text.isdecimal() or int(text) < 1:
        raise invalid("Invalid maxResults")
    return min(int(text), most)


def page_of(
    call: Call, items: Sequence[tuple[Key, Item]], size: int, *, is_falling: bool
) -> tuple[list[Item], str | None]:
    """Give one page of items sorted by key, and the token of the next page.

    Raises:
        RefusedCall: The token was made for another question or is no token at all.
    """
    after = _position(call)
    if after is not None:
        items = [item for item in items if (item[0] < after if is_falling else item[0] > after)]
    page = items[:size]
    token = _token(call, page[-1][0]) if len(items) > size else None
    return [item for _, item in page], token


def _question(call: Call) -> str:
    """Digest what a token belongs to: all parameters but those that may change from page to page."""
    asked = sorted(pair for pair in call.query if pair[0] not in {"pageToken", "maxResults", "access_token"})
    return hashlib.sha256(repr((call.path, asked)).encode()).hexdigest()[:12]


def _token(call: Call, key: Key) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((_question(call), *key))).decode("ascii")


def _position(call: Call) -> Key | None:
    token = call.value("pageToken")
    if not token:
        return None
    try:
        question, number, text = msgspec.json.decode(base64.urlsafe_b64decode(token), type=tuple[str, int, str])
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise invalid("Invalid pageToken") from None
    if question != _question(call):
        raise invalid("Invalid pageToken")
    return number, text

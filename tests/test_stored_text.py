from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmd.stored_text import clean_text, encode_bounded, encode_json

if TYPE_CHECKING:
    import asyncpg

HOSTILE = st.text(st.sampled_from(["\x00", "\ud800", "\udfff", "\\", "u", "0", "a", "é", "\U0001f600", '"', "\n"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | HOSTILE,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(HOSTILE, inner, max_size=4),
    max_leaves=20,
)


@given(HOSTILE | st.text(), st.integers(1, 50))
def test_cleaned_text_can_be_stored(text: str, most: int) -> None:
    """Cleaned text has no NUL, no lone surrogate and no more characters than asked; what is clean stays."""
    cleaned = clean_text(text, most)
    assert "\x00" not in cleaned
    assert cleaned.encode().decode() == cleaned
    assert len(cleaned) <= most
    if len(text) <= most and text.isascii() and "\x00" not in text:
        assert cleaned == text


@given(JSON)
def test_encoded_json_is_storable_and_else_unchanged(value: object) -> None:
    """JSON has neither NUL nor surrogates after encoding, and equals what went in but for those."""
    data = encode_json(value)
    back = msgspec.json.decode(data)
    assert "\x00" not in json.dumps(back, ensure_ascii=False)
    assert back == _replaced(value)


def test_spelled_escape_is_no_nul() -> None:
    """A text that merely spells the escape of NUL, backslash and all, is kept as it is."""
    assert msgspec.json.decode(encode_json({"\\u0000": "\\u0000"})) == {"\\u0000": "\\u0000"}


@pytest.mark.parametrize("value", [object(), {"a": object()}, [lambda: 1]])
def test_what_has_no_json_form_is_refused(value: object) -> None:
    """An object without a JSON form is the caller's fault, told as TypeError."""
    with pytest.raises(TypeError):
        encode_json(value)


def test_too_large_leaves_a_note() -> None:
    """A value beyond the bound is replaced by its size; one at the bound is kept."""
    assert encode_bounded("x" * 8, 10) == b'"xxxxxxxx"'
    assert msgspec.json.decode(encode_bounded("x" * 9, 10)) == {"truncated": True, "bytes": 11}


@pytest.mark.crmd_plugins
async def test_postgresql_takes_every_hostile_text(database: asyncpg.Pool[asyncpg.Record]) -> None:
    """What was cleaned is stored and read back by PostgreSQL, as text and as JSON."""
    hostile = ["a\x00b", "\ud800", "x\udfffy", "\\u0000", "\x7f\x80", "\U0010ffff"]
    for text in hostile:
        assert await database.fetchval("SELECT $1::text", clean_text(text)) == clean_text(text)
        data = encode_json({text: [text]})
        stored = await database.fetchval("SELECT $1::text::jsonb::text", data.decode())
        assert json.loads(stored) == msgspec.json.decode(data)


def _replaced(value: object) -> object:
    match value:
        case str():
            return "".join("�" if char == "\x00" or "\ud800" <= char <= "\udfff" else char for char in value)
        case list():
            return [_replaced(item) for item in value]
        case dict():
            return {_replaced(key): _replaced(item) for key, item in value.items()}
        case _:
            return value

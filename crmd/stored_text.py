"""What PostgreSQL can keep: text and JSON without NUL or lone surrogates, and never beyond a bound.

Cleaning happens before a statement, so that no job's words can make a statement fail.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from crmd.errors import UsageError

PAYLOAD_BYTES_MAX = 256 * 1024
RESULT_BYTES_MAX = 256 * 1024
ERROR_TEXT_MAX = 4 * 1024

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_ESCAPED_NUL = b"\\u0000"


def clean_text(text: str, length_max: int = ERROR_TEXT_MAX) -> str:
    """The text with what can't be stored replaced by U+FFFD, cut to `length_max` characters."""
    return _UNSTORABLE.sub("�", text[: length_max + 1])[:length_max]


def encode_json(value: object) -> bytes:
    """JSON of any value that msgspec knows, with what can't be stored replaced.

    Raises:
        TypeError: The value, or something in it, has no JSON form.
    """
    try:
        data = msgspec.json.encode(value)
    except UnicodeEncodeError:  # a lone surrogate somewhere
        return msgspec.json.encode(clean_value(msgspec.to_builtins(value, str_keys=True)))
    if _ESCAPED_NUL in data:  # rare; also true of text that merely spells the escape, which cleaning leaves alone
        return msgspec.json.encode(clean_value(msgspec.json.decode(data)))
    return data


def encode_payload(value: object) -> bytes:
    """As `encode_json`, for what a caller made.

    Raises:
        TypeError: The value, or something in it, has no JSON form.
        UsageError: It is nested too deep.
    """
    try:
        return encode_json(value)
    except RecursionError as error:
        raise UsageError("The payload is nested too deep.", hint="Store the data and pass its id.") from error


def encode_bounded(value: object, bytes_max: int = RESULT_BYTES_MAX) -> bytes:
    """As `encode_json`; a value beyond the bound is replaced by a note of its size."""
    data = encode_json(value)
    if len(data) <= bytes_max:
        return data
    return msgspec.json.encode({"truncated": True, "bytes": len(data)})


def clean_value(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The value with every text in it as `clean_text` leaves it, whole."""
    match value:
        case str():
            return _UNSTORABLE.sub("�", value)
        case list() | tuple():
            return [clean_value(item) for item in value]
        case dict():
            return {clean_value(key): clean_value(item) for key, item in value.items()}
        case _:
            return value

"""A log line as JSON or as text."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from crmd.log.fields import fields_of
from crmd.log.redaction import described, safe_message
from crmd.stored_text import clean_text, encode_json


class JsonFormatter(logging.Formatter):
    """One JSON object a line: at, level, logger, message, the fields, error."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; keys in a fixed order."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message_of(record),
            **fields_of(record),
        }
        error = error_of(record)
        if error:
            line["error"] = error
        return encode_json(line).decode()


class TextFormatter(logging.Formatter):
    """For people: time, level, logger, message, `field=value`, the error on a line of its own.

    Args:
        is_bare: Leave out time and level, which a terminal handler writes itself.
    """

    def __init__(self, *, is_bare: bool = False) -> None:
        super().__init__()
        self._is_bare = is_bare

    def format(self, record: logging.LogRecord) -> str:
        """The line, and a second one for an error."""
        fields = _writable("".join(f" {name}={value}" for name, value in fields_of(record).items()))
        text = message_of(record) + fields
        error = error_of(record)
        if error:
            text += f"\n    {error}"
        if self._is_bare:
            return text
        at = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return f"{at} {record.levelname.lower():<8} {record.name}: {text}"


def message_of(record: logging.LogRecord) -> str:
    """The text of a line, without secrets, and without what UTF-8 cannot hold: that would lose the line.

    asyncio puts the whole task, its exception's text included, on the lines after its first one.
    """
    text = safe_message(str(record.msg), record.args)
    return _writable(text.split("\n", 1)[0] if record.name == "asyncio" else text)


def error_of(record: logging.LogRecord) -> str:
    """The exception of a line as class and code location; empty without one."""
    error = record.exc_info[1] if record.exc_info else None
    return _writable(described(error)) if error else ""


def _writable(text: str) -> str:
    return clean_text(text, len(text))

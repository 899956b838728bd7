"""Sends a child's log to its daemon, which writes it as its own: one format, one place, the fields of the job."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from crmd.engine.wire import Logged
from crmd.log.fields import fields_of
from crmd.log.formats import error_of, message_of
from crmd.stored_text import clean_text

if TYPE_CHECKING:
    from crmd.child.line import Line

# Far below what a frame may hold: a line of the log must not look like a process that talks nonsense.
TEXT_MAX = 64 * 1024


class LineHandler(logging.Handler):
    """Each record becomes a message; what must not be told is masked before it leaves the process."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line

    def emit(self, record: logging.LogRecord) -> None:
        """Send the line with its error, without what they must not tell."""
        error = error_of(record)
        text = message_of(record) + (f"; {error}" if error else "")
        self._line.send(Logged(record.levelno, record.name, clean_text(text, TEXT_MAX), fields_of(record)))

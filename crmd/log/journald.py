"""Lines straight to the journal, with their fields kept as fields."""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path
from typing import IO, TYPE_CHECKING

from crmd.log.fields import fields_of
from crmd.log.formats import error_of, message_of

if TYPE_CHECKING:
    from collections.abc import Mapping

JOURNAL_SOCKET = "/run/systemd/journal/socket"
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG_PRIORITY = 7
_LENGTH_BYTES = 8


class JournaldHandler(logging.Handler):
    """One datagram a line in journald's native protocol; no time stamp, the journal sets its own.

    Args:
        path: The journal's socket.
    """

    def __init__(self, path: str = JOURNAL_SOCKET) -> None:
        super().__init__()
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def emit(self, record: logging.LogRecord) -> None:
        """Send the line; a journal that is restarting loses it, as logging's own handlers would."""
        try:
            self._socket.sendto(entry(journal_fields(record)), self._path)
        except OSError:
            self.handleError(record)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        super().close()


def entry(fields: Mapping[str, str]) -> bytes:
    """The fields in the journal's wire format; a value with a line break is sent with its length."""
    parts: list[bytes] = []
    for name, value in fields.items():
        data = value.encode(errors="replace")
        if b"\n" in data:
            parts.append(name.encode() + b"\n" + len(data).to_bytes(_LENGTH_BYTES, "little") + data + b"\n")
        else:
            parts.append(name.encode() + b"=" + data + b"\n")
    return b"".join(parts)


def journal_fields(record: logging.LogRecord) -> dict[str, str]:
    """What the journal stores about one line."""
    error = error_of(record)
    return {
        "MESSAGE": f"{message_of(record)}: {error}" if error else message_of(record),
        "PRIORITY": str(_priority(record.levelno)),
        "SYSLOG_IDENTIFIER": "crmd",
        "CRMD_LOGGER": record.name,
        "CODE_FILE": record.pathname,
        "CODE_LINE": str(record.lineno),
        "CODE_FUNC": record.funcName or "",
        **{f"CRMD_{name.upper()}": str(value) for name, value in fields_of(record).items()},
        **({"CRMD_ERROR": error} if error else {}),
    }


def is_journal(stream: IO[str], environ: Mapping[str, str]) -> bool:
    """Whether this stream is the one that systemd connected to the journal."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}" and Path(JOURNAL_SOCKET).exists()


def _priority(level: int) -> int:
    return next((priority for least, priority in _PRIORITIES if level >= least), _DEBUG_PRIORITY)

"""What the HTTP server logs of itself: its own faults, not those of whoever sends it bytes that are no HTTP."""

from __future__ import annotations

import logging

from aiohttp.http_exceptions import HttpProcessingError


class OwnFaults(logging.Filter):
    """Leaves out what a sender did wrong: anybody could fill the log so, and the bytes may hold a key."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is told."""
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, HttpProcessingError)


WIRE_LOG = logging.getLogger("crmd.api.wire")
WIRE_LOG.addFilter(OwnFaults())

"""Logging of the daemon and its plugins: stdlib loggers, one handler, no secrets.

Write `logging.getLogger("crmd.<part>")`, or `plugin_logger(name)` for a plugin; `log_context` says which job a line
belongs to.
"""

from __future__ import annotations

from crmd.log.fields import FIELDS, log_context, plugin_logger
from crmd.log.redaction import described, redacted
from crmd.log.setup import configure_logging

__all__ = ["FIELDS", "configure_logging", "described", "log_context", "plugin_logger", "redacted"]

"""The one handler of the process, chosen from the settings and from where standard error goes."""

from __future__ import annotations

import logging
from typing import IO, TYPE_CHECKING, Literal

from crmd.log.formats import JsonFormatter, TextFormatter
from crmd.log.journald import JournaldHandler, is_journal

if TYPE_CHECKING:
    from collections.abc import Mapping

Format = Literal["auto", "json", "text", "journald"]
HANDLER_NAME = "crmd"
_QUIET = ("aiohttp.access",)
"""Loggers that would write customers' URLs, one line a request."""


def configure_logging(wanted: Format, level: str, environ: Mapping[str, str], stream: IO[str]) -> None:
    """Log to `stream` or to the journal; may be called again after a reload.

    Args:
        wanted: `log.format`.
        level: `log.level`, the least severity that is written.
        environ: Tells whether standard error is the journal.
        stream: Standard error, since standard output is for data.
    """
    handler = _handler(chosen_format(wanted, environ, stream), stream)
    handler.set_name(HANDLER_NAME)
    handler.setLevel(level.upper())  # the logs kept with jobs may want more than this
    root = logging.getLogger()
    for old in [one for one in root.handlers if one.name == HANDLER_NAME]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def chosen_format(wanted: Format, environ: Mapping[str, str], stream: IO[str]) -> Format:
    """What `auto` means here: the journal's own fields under systemd, text on a terminal, else JSON."""
    if wanted != "auto":
        return wanted
    if is_journal(stream, environ):
        return "journald"
    return "text" if stream.isatty() else "json"


def _handler(form: Format, stream: IO[str]) -> logging.Handler:
    if form == "journald":
        return JournaldHandler()
    if form == "text" and stream.isatty():
        return _terminal(stream)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    return handler


def _terminal(stream: IO[str]) -> logging.Handler:
    """Colours and columns; rich is loaded only here, since it takes longer than all the rest of logging."""
    from rich.console import Console  # noqa: PLC0415 - see above
    from rich.highlighter import NullHighlighter  # noqa: PLC0415 - see above
    from rich.logging import RichHandler  # noqa: PLC0415 - see above

    handler = RichHandler(
        console=Console(file=stream),
        markup=False,
        highlighter=NullHighlighter(),
        rich_tracebacks=False,
        show_path=False,
    )
    handler.setFormatter(TextFormatter(is_bare=True))
    return handler

"""Made-up secrets that are given to a plugin, and looked for wherever they must not be."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, Self

import msgspec

from crmd.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable

CANARY = "canary-of-a-setting"
_NAME = re.compile(r"(?:[a-z0-9_]{0,60}_)?(?:password|secret|token|key|credential)s?")
SHORTEST = 8


def settings_with_canaries(settings: msgspec.Struct) -> dict[str, Any]:
    """Values for the settings that are named like secrets."""
    found: dict[str, Any] = {}
    for name, value in msgspec.structs.asdict(settings).items():
        if _NAME.fullmatch(name) and isinstance(value, str):
            found[name] = f"{CANARY}-{name}"
        elif isinstance(value, Secret):
            found[name] = Secret(f"{CANARY}-{name}")
    return found


def secrets_in(settings: msgspec.Struct) -> set[str]:
    """The secrets that the settings hold."""
    found = set()
    for name, value in msgspec.structs.asdict(settings).items():
        if isinstance(value, Secret):
            found.add(value.reveal())
        elif isinstance(value, str) and _NAME.fullmatch(name):
            found.add(value)
    return {secret for secret in found if len(secret) >= SHORTEST}


def leaked(texts: Iterable[str], secrets: Iterable[str]) -> str | None:
    """The first text that holds one of the secrets."""
    known = [secret for secret in secrets if len(secret) >= SHORTEST]
    return next((text for text in texts if any(secret in text for secret in known)), None)


# The root, and where `ctx.log` writes, which an engine may have given a level of its own.
_LOGGERS = ("", "crmd.plugins")


class LogTap(logging.Handler):
    """Keeps what is logged, as it was meant to be written: before any masking."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the text and the place."""
        try:
            text = record.getMessage()
        except (TypeError, ValueError, KeyError):
            text = f"{record.msg} {record.args}"
        if record.exc_info and record.exc_info[1] is not None:
            text = f"{text} {record.exc_info[1]}"
        self.lines.append((text, f"{record.pathname}:{record.lineno} {record.funcName}"))

    def __enter__(self) -> Self:
        self._levels = {name: logging.getLogger(name).level for name in _LOGGERS}
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.DEBUG)
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)

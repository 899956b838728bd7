"""The fields that a log line may carry besides its text.

Invariant: only names in `FIELDS` are ever written, so that a payload or a token cannot enter a log as a field.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

FIELDS = (
    "attempt",
    "connection_id",
    "count",
    "daemon_id",
    "duration_seconds",
    "event_id",
    "job_id",
    "job_type",
    "plugin",
    "queue",
    "request_id",
    "schedule",
    "workspace_id",
)
"""In the order in which they are written; journald has them as `CRMD_JOB_ID` and so on."""

FIELD_MAX_CHARS = 200
PLUGIN_PREFIX = "crmd.plugin."

_context: ContextVar[Mapping[str, object]] = ContextVar("crmd_log_context", default={})  # noqa: B039 - never changed in place


_sources: list[Callable[[], Mapping[str, object]]] = []


def fields_from(source: Callable[[], Mapping[str, object]]) -> None:
    """Ask `source` for fields at each line: what costs nothing until something is logged."""
    _sources.append(source)


@contextmanager
def log_context(**fields: object) -> Iterator[None]:
    """Every line of this task and the tasks it starts carries these fields, as long as the block lasts.

    Raises:
        ValueError: a name is not in `FIELDS`.
    """
    unknown = sorted(fields.keys() - set(FIELDS))
    if unknown:
        raise ValueError(f"no such log field: {', '.join(unknown)}")
    token = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(token)


def fields_of(record: logging.LogRecord) -> dict[str, str | int | float]:
    """The fields of one line: those of its `extra=` before those of the context, those before what sources tell."""
    context = {**{name: value for source in _sources for name, value in source().items()}, **_context.get()}
    found = {name: record.__dict__.get(name, context.get(name)) for name in FIELDS}
    if record.name.startswith(PLUGIN_PREFIX) and found["plugin"] is None:
        found["plugin"] = record.name.removeprefix(PLUGIN_PREFIX).split(".", 1)[0]
    return {name: _plain(value) for name, value in found.items() if value is not None}


def plugin_logger(plugin: str) -> logging.Logger:
    """The logger of one plugin, whose lines carry its name and whose level can be set on its own."""
    return logging.getLogger(PLUGIN_PREFIX + plugin)


def _plain(value: object) -> str | int | float:
    """A number as it is, a name or id as bounded text, anything else by its class: it may hold data."""
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, (str, UUID)):
        return str(value)[:FIELD_MAX_CHARS]
    return type(value).__name__

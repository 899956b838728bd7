"""What is kept of an error with its job: class, sentence, SQLSTATE and place in the code, never argument values."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec

from crmd.stored_text import clean_text

if TYPE_CHECKING:
    from crmd.engine.run import Run
    from crmd.outcome import Fault

MESSAGE_MAX = 2000
PLACES_MAX = 12


def record(fault: Fault | None, run: Run) -> bytes | None:
    """JSON of the entry for the job's column `errors`; the statement adds the time."""
    if fault is None:
        return None
    if fault.record is not None:
        return fault.record
    entry: dict[str, Any] = {
        "attempt": run.row["attempt"],
        "class": fault.name,
        "message": words_of(fault),
    }
    if isinstance(fault.error, asyncpg.PostgresError):
        entry["sqlstate"] = fault.error.sqlstate
    if fault.error is not None and fault.error.__traceback__ is not None:
        entry["places"] = _places(fault.error)
    elif fault.places:
        entry["places"] = [clean_text(place, 300) for place in fault.places]
    return msgspec.json.encode(entry)


def words_of(fault: Fault) -> str:
    """What is said of it in a job's record and in the log: bounded, and without what cannot be stored."""
    return clean_text(message_of(fault), MESSAGE_MAX)


def message_of(fault: Fault) -> str:
    """PostgreSQL's messages and asyncpg's hold values of arguments, so only their class and code are kept."""
    if isinstance(fault.error, asyncpg.PostgresError):
        return f"PostgreSQL refused a statement (SQLSTATE {fault.error.sqlstate})"
    if isinstance(fault.error, asyncpg.InterfaceError):
        return "a statement was given an argument that it cannot take"
    return fault.message or fault.name


def _places(error: BaseException) -> list[str]:
    """The innermost frames, as `file:line function`, without the source lines, which might hold secrets."""
    frames = traceback.extract_tb(error.__traceback__)[-PLACES_MAX:]
    return [clean_text(f"{frame.filename}:{frame.lineno} {frame.name}", 300) for frame in frames]

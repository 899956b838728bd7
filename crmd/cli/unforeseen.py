"""A sentence for an error that nobody foresaw: its class and place, or that the database was lost."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from crmd.errors import CrmdError, UnreachableError
from crmd.store.pools import UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

MESSAGE_MAX = 300


def explained(error: Exception) -> CrmdError:
    """The operator error to show."""
    known = next((one for one in _leaves(error) if isinstance(one, CrmdError)), None)
    if known is not None:
        return known
    if all(isinstance(one, (*UNREACHABLE, asyncpg.PostgresConnectionError)) for one in _leaves(error)):
        first = next(_leaves(error))
        return UnreachableError(
            f"The database was lost in the middle ({type(first).__name__}).", hint="See `crmd doctor`, and try again."
        )
    first = next(_leaves(error))
    return CrmdError(
        f"{type(first).__name__} at {_place(first)}: {_message(first)}",
        hint="Run it again with --debug for the details.",
    )


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "an unknown place"
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"


def _message(error: BaseException) -> str:
    """PostgreSQL's own messages can hold values, so its code stands for them."""
    if isinstance(error, asyncpg.PostgresError):
        return f"SQLSTATE {error.sqlstate}"
    return (str(error).partition("\n")[0] or "no message")[:MESSAGE_MAX]

"""What crmd's own SQL functions refuse, as an error for whoever called them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.errors import UsageError

if TYPE_CHECKING:
    import asyncpg

# SQLSTATEs of our own begin so; of all others the text may hold values.
CLASS = "CR"
_HINTS = {"CR001": "See `crmd plugins` for the job types that the loaded plugins declare."}


def is_refusal(error: asyncpg.PostgresError) -> bool:
    """Whether one of crmd's own functions refused."""
    return bool(error.sqlstate) and error.sqlstate.startswith(CLASS)


def sentence_of(error: asyncpg.PostgresError) -> str:
    """The function's own sentence, without what asyncpg puts on the lines after it."""
    return str(error).splitlines()[0]


def refused(error: asyncpg.PostgresError) -> Exception:
    """A refusal is a mistake of the caller and becomes a `UsageError`; anything else is what it is."""
    if not is_refusal(error):
        return error
    sentence = sentence_of(error)
    return UsageError(f"{sentence[:1].upper()}{sentence[1:]}.", hint=_HINTS.get(error.sqlstate, error.hint or ""))

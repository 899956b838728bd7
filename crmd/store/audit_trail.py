"""The trail of what operators did: each action is noted before it is done, and ended with how it went."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crmd.errors import CrmdError
from crmd.store.pools import UNREACHABLE
from crmd.store.queries import load_queries
from crmd.stored_text import clean_text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from uuid import UUID

    from crmd.store.pools import Connection, Pool

_SQL = load_queries("crmd.store")
_LOG = logging.getLogger("crmd.store")
SENTENCE_MAX = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What is to be done, by whom, to what.

    Args:
        actor: Who, and by what means: `cli:ada@vm-1`.
        name: `jobs.cancel`, `queues.pause`, …
        target: Id or name of what it is done to; None for a selection, which `details` then describe.
        workspace_id: Whose it is, where it is somebody's.
        details: What else was asked for.
    """

    actor: str
    name: str
    target: str | None = None
    workspace_id: UUID | None = None
    details: dict[str, Any] = field(default_factory=dict)


@contextlib.asynccontextmanager
async def audited(database: Pool | Connection, action: Action) -> AsyncIterator[dict[str, Any]]:
    """Do `action` in the block; what the block puts into the dictionary is kept with its end.

    An action whose end is not noted was begun, and nobody knows how it went.
    """
    row_id = await database.fetchval(
        _SQL.audit_begin, action.actor, action.name, action.target, action.workspace_id, action.details
    )
    found: dict[str, Any] = {}
    try:
        yield found
    except BaseException as error:
        sentence = error.sentence if isinstance(error, CrmdError) else type(error).__name__
        try:
            await database.execute(_SQL.audit_end, row_id, clean_text(sentence, SENTENCE_MAX), found)
        except UNREACHABLE:  # it stays without an outcome; the error itself is what has to be told
            _LOG.warning("the audit could not be told how %s ended", action.name)
        raise
    await database.execute(_SQL.audit_end, row_id, "done", found)


async def trail(
    database: Pool | Connection,
    *,
    actor: str | None = None,
    action: str | None = None,
    target: str | None = None,
    before_id: UUID | None = None,
    limit: int = 50,
) -> Sequence[Any]:
    """Actions, newest first; `action` may be the beginning of a name."""
    return await database.fetch(_SQL.audit_list, actor, action, target, before_id, limit)

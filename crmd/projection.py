"""A projection: a table that follows from events, kept up to date by folding them in, and rebuilt at any time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """What a plugin keeps up to date from events, in SQL and a batch at a time.

    Every row carries a generation; readers ask for `crmd.generation('<name>')`. A rebuild fills the next generation
    beside the one that is read, and takes its place when it has caught up.

    Args:
        name: Lower case with dashes.
        events: Event types that it follows, as `contact.created`, `contact.*` or `*`.
        fold: A statement that folds the events of one workspace in: those of `crmd.workspace_events` whose seq is above
            $2 and up to $3 (bigint), into rows of generation $1 (integer). It must not matter how events are cut into
            batches.
        reset: A statement that removes the rows of generation $1 of one workspace.
        version: Raised when the fold says something else of the same events; then it is rebuilt by itself.
        plugin: Who declares it; filled in when it is loaded.
    """

    name: str
    events: tuple[str, ...]
    fold: str
    reset: str
    version: int = 1
    plugin: str = ""

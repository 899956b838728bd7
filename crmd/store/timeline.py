"""The history that a server writes: each promotion of a standby begins a new one, with a number that only grows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from crmd.store.pools import Connection

_SQL = load_queries("crmd.store")


class Timeline(NamedTuple):
    """A cluster and the number of its history."""

    system: int
    number: int

    def is_older_than(self, other: Timeline) -> bool:
        """Whether `other` is a later history of the same cluster."""
        return self.system == other.system and self.number < other.number


class OldPrimaryError(ConnectionError):
    """The server still takes writes, but of a history that a promotion has ended elsewhere."""


async def read_timeline(connection: Connection) -> Timeline | None:
    """That of the server behind a connection; None where the server does not tell, as some hosted ones."""
    try:
        row = await connection.fetchrow(_SQL.timeline)
    except (asyncpg.InsufficientPrivilegeError, asyncpg.FeatureNotSupportedError, asyncpg.UndefinedFunctionError):
        return None
    return None if row is None else Timeline(row["system"], row["number"])

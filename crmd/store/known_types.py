"""Connections that know PostgreSQL's own types from each other.

asyncpg asks the server about each array type that it meets for the first time on a connection: three statements and up
to 25 ms of the server's time, for `uuid[]` as for any other. What a server has built in is the same on all of its
connections, so a process asks once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg

if TYPE_CHECKING:
    from collections.abc import Iterable

    Base = asyncpg.Connection[asyncpg.Record]
    Types: TypeAlias = list[asyncpg.Record]
else:
    Base = asyncpg.Connection

# PostgreSQL's FirstNormalObjectId: below it are the types that come along with a server of this version.
OWN_TYPES_FROM = 16_384
_KNOWN: dict[tuple[int, frozenset[int]], Types] = {}


@dataclass(frozen=True, slots=True)
class _Unasked:
    """Stands for the statement that would have asked: it has a name, so it has not taken the unnamed one's place."""

    name: str = "known"


class KnownTypesConnection(Base):
    """As asyncpg makes it, but what another connection of this process has learnt is not asked again.

    This overrides a method of asyncpg's that is not public. Should it go, each connection asks for itself again, and a
    test tells.
    """

    __slots__ = ()

    async def _introspect_types(self, typeoids: Iterable[int], timeout: float | None) -> Any:  # noqa: ANN401, ASYNC109 - asyncpg's
        wanted = frozenset(typeoids)
        key = (self.get_server_version().major, wanted)
        if (known := _KNOWN.get(key)) is not None:
            return known, _Unasked()
        types, statement = await super()._introspect_types(wanted, timeout)  # type: ignore[misc] # not in the stubs
        if all(oid < OWN_TYPES_FROM for oid in wanted):
            _KNOWN[key] = types
        return types, statement

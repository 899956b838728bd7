"""What may run a statement: a pool, a connection, or a plugin's transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Statements(Protocol):
    """The part of asyncpg's interface that pools, connections and `ctx.transaction()` share."""

    async def fetch(self, query: str, /, *args: Any) -> Sequence[Mapping[str, Any]]:  # noqa: ANN401 - SQL values
        """All rows."""
        ...

    async def fetchrow(self, query: str, /, *args: Any) -> Mapping[str, Any] | None:  # noqa: ANN401 - SQL values
        """The first row."""
        ...

    async def fetchval(self, query: str, /, *args: Any) -> Any:  # noqa: ANN401 - SQL values
        """The first column of the first row."""
        ...

    async def execute(self, query: str, /, *args: Any) -> Any:  # noqa: ANN401 - SQL values
        """No rows."""
        ...

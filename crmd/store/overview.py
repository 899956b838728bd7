"""How the engine stands, in figures: for health checks, `crmd doctor` and the status line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmd.store.pools import Connection, Pool

_SQL = load_queries("crmd.store")


async def status(connection: Connection | Pool) -> Mapping[str, Any]:
    """Queues, leases, dead letters, daemons, schedules, connections; the keys are those of overview_status.sql."""
    data: bytes = await connection.fetchval(_SQL.overview_status)
    return msgspec.json.decode(data, type=dict[str, Any])

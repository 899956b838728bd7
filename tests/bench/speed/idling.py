"""The figure of a daemon with nothing to do: what it uses, and what the server uses because of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from speed.daemons import running_daemons

if TYPE_CHECKING:
    from speed.database import Ground
    from speed.figure import Values
    from speed.sizes import Sizes

BUILT_IN = '["crm", "gmail", "contacts", "health"]'
# After this its start is over, and whatever comes once after it.
QUIET_SECONDS = 10.0
MEBIBYTE = 2**20


async def idle(ground: Ground, sizes: Sizes) -> Values:
    """Processor seconds of the daemon and of the whole server within so many seconds; memory of the daemon."""
    async with (
        ground.fresh() as database,
        running_daemons(database, 1, PLUGINS__ENABLED=BUILT_IN) as [daemon],
    ):
        await asyncio.sleep(QUIET_SECONDS)
        before = daemon.used_seconds, database.cluster.used_seconds
        await asyncio.sleep(sizes.idle_seconds)
        after = daemon.used_seconds, database.cluster.used_seconds
        resident = daemon.resident_bytes / MEBIBYTE
    # Whole ticks of the kernel's clock, so that five of them are no more than 0.05 s.
    daemon_used, server_used = (round(late - early, 3) for early, late in zip(before, after, strict=True))
    return {"daemon": daemon_used, "server": server_used, "resident": resident}

"""Finds effects whose sender is gone, and lets jobs go on whose effects are known by now."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from crmd.ledger import DIED
from crmd.store import effects

if TYPE_CHECKING:
    from crmd.store.pools import Pool

_LOG = logging.getLogger("crmd.engine")
INTERVAL_SECONDS = 5.0


async def reconcile_once(pool: Pool) -> float:
    """One round; answers the seconds until the next."""
    for row in await effects.call_unknown(pool, DIED):
        _LOG.warning(
            "effect %s (%s) of job %s is unknown: `crmd effects` says what to do", row["id"], row["kind"], row["job_id"]
        )
    await effects.release(pool)
    return INTERVAL_SECONDS

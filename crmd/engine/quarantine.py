"""Writes down what plugins did, and keeps those from running whose jobs crash again and again.

A quarantined plugin's jobs wait as those of paused types do; nothing is lost and no attempt is spent. After a while one
of them tries alone, in a process of its own; if it comes through, the plugin is released.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from crmd.store import blame as accounts

if TYPE_CHECKING:
    from collections.abc import Callable

    from crmd.engine.services import Services

_LOG = logging.getLogger("crmd.engine")
LOOK_SECONDS = 1.0


class Quarantine:
    """The step of one daemon's loop.

    Args:
        services: Holds the accounts, and the versions of the loaded plugins.
        may_probe: Whether the time of some probe may have come.
    """

    def __init__(self, services: Services, may_probe: Callable[[], bool] = lambda: True) -> None:
        self._may_probe = may_probe
        self._services = services
        self._pool = services.pools.control
        self._versions: dict[str, str] = {}

    async def write_once(self) -> float:
        """Write accounts, crashes and survivals, let probes try; answers the seconds until the next turn."""
        await self._release_outdated()
        await self._book_crashes()
        await self._release_survivors()
        blame = self._services.blame
        rows = blame.take()
        if rows:
            await accounts.add(self._pool, rows)
        if self._services.places is not None and self._may_probe():
            for row in await accounts.probe(self._pool, list(self._services.suspect_types)):
                _LOG.info("a job of the quarantined plugin %s tries alone", row["plugin"])
        return LOOK_SECONDS

    async def _release_outdated(self) -> None:
        versions = dict(self._services.versions)
        if versions == self._versions:
            return
        for plugin in await accounts.release_outdated(self._pool, versions):
            _LOG.info("plugin %s is released: another version of it is loaded", plugin, extra={"plugin": plugin})
        self._versions = versions

    async def _book_crashes(self) -> None:
        crashes = self._services.blame.crashes
        while crashes:
            crash = crashes[0]
            version = self._services.versions.get(crash.plugin, "")
            seconds = await accounts.book_crash(self._pool, crash.plugin, crash.job_id, crash.reason, version)
            del crashes[0]
            if seconds is not None:
                _LOG.error(
                    "plugin %s is quarantined: %d of its jobs crashed within %.0f minutes, the last: %s. They wait, "
                    "one tries in %.0f minutes; `crmd plugins release %s` ends it",
                    crash.plugin,
                    accounts.CRASHED_JOBS_MAX,
                    accounts.WITHIN_SECONDS / 60,
                    crash.reason,
                    seconds / 60,
                    crash.plugin,
                    extra={"plugin": crash.plugin},
                )

    async def _release_survivors(self) -> None:
        survivors = self._services.blame.survivors
        while survivors:
            plugin, job_id = survivors[0]
            if await accounts.release(self._pool, plugin, tried_by=job_id):
                _LOG.info("plugin %s is released: one of its jobs came through", plugin, extra={"plugin": plugin})
            del survivors[0]

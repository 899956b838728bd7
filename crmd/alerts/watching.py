"""Looks for faults every half a minute and tells them; however many daemons do so, each fault is told once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from crmd.alerts.fault import faults_of
from crmd.alerts.message import news_for
from crmd.alerts.ways import TellingError, tell, ways_of
from crmd.store import alerts
from crmd.store.figures import Patience, gathered

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crmd.config.alert_settings import Alerts
    from crmd.engine.services import Services
    from crmd.http.client import GuardedClient
    from crmd.store.alerts import Alert

_LOG = logging.getLogger("crmd.alerts")
LOOK_SECONDS = 30.0
# Older figures say nothing of now; somebody is gathering newer ones.
OLD_SECONDS = 60.0


class Watching:
    """The step of a loop.

    Args:
        services: Of the daemon.
        http: For addresses that the operator gave.
        settings: As they are now.
    """

    def __init__(self, services: Services, http: GuardedClient, settings: Callable[[], Alerts]) -> None:
        self._services = services
        self._pool = services.pools.plugins
        self._http = http
        self._settings = settings

    async def look_once(self) -> float:
        """One look; answers the seconds until the next."""
        settings = self._settings()
        patience = Patience(settings.schedule_minutes * 60, settings.stale_minutes * 60)
        self._services.patience = patience  # whoever gathers first does so for all
        ways = ways_of(settings)
        if not ways:
            return LOOK_SECONDS
        figures = await gathered(self._pool, patience)
        if figures is not None and figures.age_seconds < OLD_SECONDS:
            faults = faults_of(figures.fleet, settings)
            await alerts.book(self._pool, [(one.key, one.kind, one.sentence, one.hint) for one in faults])
        due = await alerts.claim(self._pool, ways)
        for way in ways:
            await self._tell(way, due, settings)
        await alerts.forget(self._pool, ways)
        return LOOK_SECONDS

    async def _tell(self, way: str, due: Sequence[Alert], settings: Alerts) -> None:
        news = news_for(way, due)
        if not news:
            return
        try:
            done = await tell(way, news, settings, self._http)
        except TellingError as error:
            _LOG.warning("alerts are not told by %s: %s; it is tried again", way, error)
            return
        opened = [one.alert.fault for one in done if not one.is_end]
        ended = [one.alert.fault for one in done if one.is_end]
        await alerts.told(self._pool, way, opened, ended)
        _LOG.info("told by %s: %d faults, %d recovered", way, len(opened), len(ended))

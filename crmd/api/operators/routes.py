"""Every route for operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.api.operators import (
    access,
    any_bulk,
    any_events,
    any_jobs,
    any_schedules,
    dead,
    fleet,
    overview,
    plugins,
    queues,
)

if TYPE_CHECKING:
    from crmd.api.route import Route

ROUTES: tuple[Route, ...] = (
    *overview.ROUTES,
    *any_jobs.ROUTES,
    *any_bulk.ROUTES,
    *dead.ROUTES,
    *queues.ROUTES,
    *any_schedules.ROUTES,
    *fleet.ROUTES,
    *any_events.ROUTES,
    *plugins.ROUTES,
    *access.ROUTES,
)

"""Health for crmd: tests connections, looks at queues, and tells of trouble by events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import crmd
from crmd_health.connection_probe import ConnectionToProbe, Probed, probe_connection
from crmd_health.job_queues import QueuesChecked, check_job_queues
from crmd_health.samples import SAMPLES
from crmd_health.settings import HealthSettings
from crmd_health.sync_health import SyncChecked, check_sync_health

if TYPE_CHECKING:
    import msgspec

__all__ = [
    "ConnectionToProbe",
    "HealthSettings",
    "Probed",
    "QueuesChecked",
    "SyncChecked",
    "check_job_queues",
    "check_sync_health",
    "probe_connection",
]


@crmd.hookimpl
def crmd_settings() -> type[msgspec.Struct]:
    """The table `[plugins.health]`."""
    return HealthSettings


@crmd.hookimpl
def crmd_samples() -> tuple[crmd.Sample, ...]:
    """How `crmd plugin check` tries the jobs."""
    return SAMPLES

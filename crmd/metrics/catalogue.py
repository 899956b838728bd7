"""Every metric, written once: its name, kind, labels and what it means. Documents are tested against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: Without `_total` and `_bucket`, which Prometheus adds.
        kind: Of Prometheus.
        meaning: In a sentence.
        labels: Their names; the values of each are bounded.
    """

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()

    @property
    def series(self) -> tuple[str, ...]:
        """The names under which Prometheus keeps it."""
        match self.kind:
            case "counter":
                return (f"{self.name}_total",)
            case "histogram":
                return (f"{self.name}_bucket", f"{self.name}_count", f"{self.name}_sum")
            case "gauge":
                return (self.name,)


INFO = Metric("crmd_info", "gauge", "Always 1; tells the version.", ("version",))
READY = Metric("crmd_ready", "gauge", "1 while this daemon takes jobs.")
ATTEMPTS = Metric("crmd_attempts", "counter", "Attempts that ended here, by what became of them.", ("type", "outcome"))
ATTEMPT_SECONDS = Metric("crmd_attempt_seconds", "histogram", "How long attempts took.", ("type",))
WAIT_SECONDS = Metric(
    "crmd_wait_seconds",
    "histogram",
    "From when a job was due to its first start; large batches are sampled.",
    ("queue",),
)
SLOTS = Metric("crmd_slots", "gauge", "Jobs that this daemon runs at a time.", ("queue",))
SLOTS_TAKEN = Metric("crmd_slots_taken", "gauge", "Jobs that this daemon has claimed and not finished.", ("queue",))
SETTLE_BACKLOG = Metric("crmd_settle_backlog", "gauge", "Outcomes that are not committed yet.")
ABANDONED = Metric("crmd_abandoned", "gauge", "Handlers that were stopped, did not end, and still run.")
LAG_SECONDS = Metric("crmd_loop_lag_seconds", "histogram", "How much too late the event loop came to its watcher.")
POOL_MAX = Metric("crmd_pool_connections_max", "gauge", "Connections that a pool may open.", ("pool",))
POOL = Metric("crmd_pool_connections", "gauge", "Open connections of a pool.", ("pool", "state"))
LIMIT_WAITS = Metric(
    "crmd_limit_waits", "counter", "Times a job met a used-up limit or a closed gate, and what it did.", ("kind", "how")
)
LIMIT_WAIT_SECONDS = Metric("crmd_limit_wait_seconds", "histogram", "Waits for limits and gates inside a job.")
HANDLER_SECONDS = Metric("crmd_event_handler_seconds", "histogram", "How long event handlers took.", ("handler",))
HANDLER_ERRORS = Metric("crmd_event_handler_errors", "counter", "Event handlers that raised.", ("handler",))
REQUESTS = Metric("crmd_api_requests", "counter", "Requests to the API.", ("method", "route", "status"))
REQUEST_SECONDS = Metric("crmd_api_request_seconds", "histogram", "How long they took; streams left out.", ("route",))
STREAMS = Metric("crmd_api_streams", "gauge", "Live streams that are open here.")

FIGURES_AGE = Metric("crmd_fleet_age_seconds", "gauge", "How old the figures of the fleet are.")
ENQUEUED = Metric("crmd_jobs_enqueued", "counter", "Jobs that were made, by whomever.", ("type",))
EMITTED = Metric("crmd_events_emitted", "counter", "Events, by the first word of their type.", ("family",))
JOBS = Metric("crmd_jobs", "gauge", "Unfinished jobs: due, scheduled, held or running.", ("queue", "state"))
OLDEST_DUE = Metric("crmd_oldest_due_seconds", "gauge", "How long the oldest due job waits already.", ("queue",))
OLDEST_LEASE = Metric("crmd_oldest_lease_seconds", "gauge", "How long the oldest running job runs.", ("queue",))
UNSERVED = Metric("crmd_queue_unserved", "gauge", "1: jobs wait there, and no living daemon runs any.", ("queue",))
RETRYING = Metric("crmd_retrying_jobs", "gauge", "Waiting jobs that have failed twice or more.", ("type",))
DEAD = Metric(
    "crmd_dead_jobs", "gauge", "Jobs that ended dead or failed in 24 h, redriven ones left out.", ("type", "status")
)
DAEMONS = Metric("crmd_daemons", "gauge", "Daemons: alive, draining, or lost within the hour.", ("state",))
BEAT_AGE = Metric("crmd_beat_age_seconds", "gauge", "Age of the oldest heartbeat of a living daemon.")
SCHEDULES = Metric("crmd_schedules", "gauge", "Schedules: ok, late, paused or broken.", ("state",))
SCHEDULE_LATE = Metric("crmd_schedule_late_seconds", "gauge", "How late the latest schedule is.")
CONNECTIONS = Metric("crmd_connections", "gauge", "Connections by state.", ("provider", "state"))
STALE = Metric(
    "crmd_connections_stale", "gauge", "Active connections that have not synced for too long.", ("provider",)
)
SYNC_AGE = Metric(
    "crmd_sync_age_seconds", "gauge", "Age of the oldest last sync of an active connection.", ("provider",)
)
GATES = Metric("crmd_gates_closed", "gauge", "Gates that are closed now.")
QUARANTINED = Metric("crmd_plugins_quarantined", "gauge", "Plugins in quarantine.")
UNKNOWN_EFFECTS = Metric("crmd_effects_unknown", "gauge", "Effects of which nobody knows whether they took place.")

METRICS: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
"""All of them, in the order in which they are told."""

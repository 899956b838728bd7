"""What is wrong with the queues, read from the engine's status. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from crmd_health.settings import HealthSettings


class Finding(msgspec.Struct, frozen=True, rename="camel"):
    """One piece of trouble: its kind, the queue, job type or schedule it is about, and a sentence for people."""

    kind: Literal["old", "long", "orphaned", "dead", "unknown", "late", "broken"]
    name: str
    sentence: str


def findings_of(status: Mapping[str, Any], settings: HealthSettings) -> tuple[Finding, ...]:
    """Every finding in what `ctx.status()` gave."""
    return (*_of_queues(status, settings), *_of_leases(status), *_of_dead(status, settings), *_of_schedules(status))


def _of_queues(status: Mapping[str, Any], settings: HealthSettings) -> Iterator[Finding]:
    for queue in status["queues"]:
        name, age = queue["queue"], queue["oldest_due_seconds"]
        if age > settings.queue_age_seconds:
            yield Finding("old", name, f"the oldest due job of queue {name} has waited for {age:.0f} s")
        if queue["due"] > settings.queue_length:
            yield Finding("long", name, f"{queue['due']} jobs are due in queue {name}")
    for name in status["unknown_types"]:
        yield Finding("unknown", name, f"jobs of {name} wait, since no daemon that met them knows them")


def _of_leases(status: Mapping[str, Any]) -> Iterator[Finding]:
    """Whoever runs this check reaps too, so jobs of a dead daemon are only worth a word while they last."""
    if status["orphaned"]:
        yield Finding("orphaned", "leases", f"{status['orphaned']} jobs belong to a daemon that is gone")


def _of_dead(status: Mapping[str, Any], settings: HealthSettings) -> Iterator[Finding]:
    for dead in status["dead_last_day"]:
        if dead["jobs"] > settings.dead_jobs:
            sentence = f"{dead['jobs']} jobs of {dead['type']} were {dead['status']} in the last day"
            yield Finding("dead", dead["type"], sentence)


def _of_schedules(status: Mapping[str, Any]) -> Iterator[Finding]:
    if status["schedules_late"]:
        yield Finding("late", "schedules", f"{status['schedules_late']} schedules are more than five minutes late")
    for schedule in status["schedules_broken"]:
        yield Finding("broken", schedule["id"], f"the schedule {schedule['id']} cannot be read")

"""A job type as the operator wants it: what a plugin declares, less what crmd.toml changes. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from crmd.model import Concurrency, Schedule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmd.config.settings import JobOverride, Queue
    from crmd.job_type import JobType


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a job type's lane, and its limit; None: a gate only."""

    name: str
    per: str | None = None
    max: int | None = None
    is_local: bool = False

    def as_json(self) -> dict[str, str]:
        """The element of `crmd.job_type.keys`."""
        return {"name": self.name} if self.per is None else {"name": self.name, "per": self.per}


def overridden(job_type: JobType, override: JobOverride | None) -> JobType:
    """The job type with the settings of `[jobs.<name>]` in place."""
    if override is None:
        return job_type
    names = ("queue", "priority", "max_attempts", "timeout_seconds")
    given: dict[str, Any] = {name: getattr(override, name) for name in names if getattr(override, name) is not None}
    if override.schedule is not None:
        before = job_type.schedule or Schedule(expression=override.schedule)
        given["schedule"] = replace(before, expression=override.schedule)
    concurrency = job_type.concurrency
    if override.concurrency is not None:
        local = tuple(bound for bound in concurrency if bound.scope == "daemon")
        concurrency = (*local, *(Concurrency(max=rule.max, per=rule.per) for rule in override.concurrency))
    if override.concurrency_per_daemon is not None:
        fleet = tuple(bound for bound in concurrency if bound.scope == "fleet")
        concurrency = (*fleet, Concurrency(max=override.concurrency_per_daemon, scope="daemon"))
    if not override.enabled:
        concurrency = (*concurrency, Concurrency(max=0))
        given["schedule"] = None
    return replace(job_type, concurrency=concurrency, **given)


def keys_of(job_type: JobType, queues: Mapping[str, Queue]) -> list[Key]:
    """The keys that make the lane of the type's jobs, the most specific first."""
    keys = []
    if job_type.connection is not None:
        keys.append(Key("connection", per=job_type.connection))
    fleet = [bound for bound in job_type.concurrency if bound.scope == "fleet"]
    for per in sorted({bound.per for bound in fleet}, key=lambda per: (per is None, per)):
        most = min(bound.max for bound in fleet if bound.per == per)
        name = f"type:{job_type.name}" if per is None else f"type:{job_type.name}:{per}"
        keys.append(Key(name, per=per, max=most))
    local = [bound.max for bound in job_type.concurrency if bound.scope == "daemon"]
    if local:
        keys.append(Key(f"local:{job_type.name}", max=min(local), is_local=True))
    queue = queues.get(job_type.queue)
    if queue is not None and queue.slots_fleet is not None:
        keys.append(Key(f"queue:{job_type.queue}", max=queue.slots_fleet))
    return keys

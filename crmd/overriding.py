"""A job type as the operator wants it: what a plugin declares, less what crmd.toml changes. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from crmd.model import Concurrency, Schedule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crmd.config.settings import JobOverride, Queue
    from crmd.job_type import JobType
    from crmd.model import OnFull


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a job type's lane, and its limit; None: a gate only."""

    name: str
    per: str | None = None
    max: int | None = None
    is_local: bool = False
    floor: int = 0
    on_full: OnFull = "queue"

    def as_json(self) -> dict[str, str]:
        """The element of `crmd.job_type.keys`."""
        per = {} if self.per is None else {"per": self.per}
        on_full = {} if self.on_full == "queue" else {"onFull": self.on_full}
        return {"name": self.name, **per, **on_full}


def overridden(job_type: JobType, override: JobOverride | None) -> JobType:
    """The job type with the settings of `[jobs.<name>]` in place."""
    if override is None:
        return job_type
    names = ("queue", "priority", "max_attempts", "timeout_seconds", "runs_in")
    given: dict[str, Any] = {name: getattr(override, name) for name in names if getattr(override, name) is not None}
    if override.memory_mib is not None:
        given["isolation"] = replace(job_type.isolation, memory_mib=override.memory_mib)
    if override.schedule is not None:
        before = job_type.schedule or Schedule(expression=override.schedule)
        given["schedule"] = replace(before, expression=override.schedule)
    concurrency = job_type.concurrency
    if override.concurrency is not None:
        local = tuple(bound for bound in concurrency if bound.scope == "daemon")
        rules = (
            Concurrency(max=rule.max, per=rule.per, floor=rule.floor, on_full=rule.on_full)
            for rule in override.concurrency
        )
        concurrency = (*local, *rules)
    if override.concurrency_per_daemon is not None:
        fleet = tuple(bound for bound in concurrency if bound.scope == "fleet")
        concurrency = (*fleet, Concurrency(max=override.concurrency_per_daemon, scope="daemon"))
    if not override.enabled:
        concurrency = (*concurrency, Concurrency(max=0))
        given["schedule"] = None
    return replace(job_type, concurrency=concurrency, **given)


def keys_of(job_type: JobType, queues: Mapping[str, Queue]) -> list[Key]:
    """The keys that make the lane of the type's jobs, the most specific first.

    Unless the queue has no fair turns, jobs of a workspace have a key of it, so that workspaces take turns.
    """
    keys = []
    queue = queues.get(job_type.queue)
    if job_type.connection is not None:
        keys.append(Key("connection", per=job_type.connection))
    fleet = [bound for bound in job_type.concurrency if bound.scope == "fleet"]
    counted = {bound.per for bound in fleet} | ({"workspace"} if queue is None or queue.fair_turns else set())
    for per in sorted(counted, key=lambda per: (per is None, per)):
        name = f"type:{job_type.name}" if per is None else f"type:{job_type.name}:{per}"
        keys.append(_key(name, per, [bound for bound in fleet if bound.per == per]))
    local = [bound.max for bound in job_type.concurrency if bound.scope == "daemon"]
    if local:
        keys.append(Key(f"local:{job_type.name}", max=min(local), is_local=True))
    if queue is not None and queue.slots_fleet is not None:
        keys.append(Key(f"queue:{job_type.queue}", max=queue.slots_fleet))
    return keys


def _key(name: str, per: str | None, bounds: Sequence[Concurrency]) -> Key:
    """The key of bounds on the same thing: the tightest counts. Without any it is a gate."""
    if not bounds:
        return Key(name, per=per)
    tightest = min(bounds, key=lambda bound: bound.max)
    floor = min(max(bound.floor for bound in bounds), tightest.max)
    return Key(name, per=per, max=tightest.max, floor=floor, on_full=tightest.on_full)

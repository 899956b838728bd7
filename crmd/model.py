"""The frozen nouns of crmd: a job as its handler sees it, and what a declaration is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

Priority: TypeAlias = Literal["critical", "high", "normal", "low"]
Status: TypeAlias = Literal["pending", "scheduled", "processing", "completed", "failed", "cancelled", "dead"]
CatchUp: TypeAlias = Literal["skip", "last", "all"]
Overlap: TypeAlias = Literal["skip", "queue_one", "allow"]

PRIORITIES: tuple[Priority, ...] = ("critical", "high", "normal", "low")
STATUSES: tuple[Status, ...] = ("pending", "scheduled", "processing", "completed", "failed", "cancelled", "dead")


class Payload(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What a job is asked to do. Subclass it with typed fields; on the wire their names are camelCase.

    A payload that does not fit is refused at enqueue with the path of the bad field.
    """


class NoPayload(Payload, frozen=True):
    """The payload of a job type that takes none: an empty object."""


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job, as its handler sees it.

    `fence` and `claim_id` are the token of this claim: every write names both. `attempt` counts from 1.
    """

    id: UUID
    type: str
    queue: str
    priority: Priority
    attempt: int
    max_attempts: int
    crash_count: int
    snooze_count: int
    fence: int
    claim_id: UUID
    run_at: datetime
    created_at: datetime
    workspace_id: UUID | None = None
    user_id: UUID | None = None
    parent_id: UUID | None = None
    lane: str | None = None
    meta: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Enqueued:
    """The answer to an enqueue: the job's id, and whether it is new or the one that held the unique key."""

    id: UUID
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """How many jobs of a type may run at a time.

    Args:
        max: Running jobs at the most.
        per: `None` for all of the type together, `"workspace"`, `"user"`, or the name of a payload field (as on the
            wire, camelCase) whose values are counted each on its own.
        scope: `"fleet"` over all daemons, `"daemon"` inside each.
    """

    max: int
    per: str | None = None
    scope: Literal["fleet", "daemon"] = "fleet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unique:
    """At most one job per key.

    Args:
        scope: `"waiting"` until the job starts, `"unfinished"` until it ends, `"for"` for `seconds`.
        fields: The payload fields (as on the wire) that make the key; None for the whole payload.
        seconds: How long scope `"for"` holds.
    """

    scope: Literal["waiting", "unfinished", "for"] = "unfinished"
    fields: tuple[str, ...] | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a job type runs by itself.

    Args:
        expression: Five cron fields, `@daily` and its kind, or `every 90s` (s, m, h, d).
        timezone: IANA name of the zone in which the expression is read.
        catch_up: What becomes of ticks missed while no daemon ran.
        catch_up_max: With catch_up `"all"`, how many at the most.
        overlap: What becomes of a tick while the job of an earlier one is unfinished.
        spread_seconds: The tick is moved by a stable hash inside this window.
    """

    expression: str
    timezone: str = "UTC"
    catch_up: CatchUp = "last"
    catch_up_max: int = 100
    overlap: Overlap = "skip"
    spread_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Snooze:
    """Returned by a handler: run again after `seconds`; the attempt is given back."""

    seconds: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Returned by a handler: never again; the job ends as cancelled."""

    reason: str

"""The frozen nouns of crmd: a job as its handler sees it, and what a declaration is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias
from uuid import UUID

import msgspec

from crmd.errors import PluginError

if TYPE_CHECKING:
    from datetime import datetime

Priority: TypeAlias = Literal["critical", "high", "normal", "low"]
Status: TypeAlias = Literal["pending", "scheduled", "processing", "completed", "failed", "cancelled", "dead"]
CatchUp: TypeAlias = Literal["skip", "last", "all"]
Overlap: TypeAlias = Literal["skip", "queue_one", "allow"]
OnFull: TypeAlias = Literal["queue", "cancel_running", "reject_new"]
Scope: TypeAlias = Literal["waiting", "unfinished", "for"]
OnConflict: TypeAlias = Literal["return", "replace", "merge", "push_back", "keep_time"]
Answer: TypeAlias = Literal["created", "returned", "replaced", "merged", "pushed_back", "kept", "rejected"]

SCOPES: tuple[Scope, ...] = ("waiting", "unfinished", "for")
ON_CONFLICTS: tuple[OnConflict, ...] = ("return", "replace", "merge", "push_back", "keep_time")
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


class Enqueued(msgspec.Struct, frozen=True, gc=False):
    """The answer to an enqueue.

    Attributes:
        id: The job that now stands for what was asked: a new one, or the one that held the unique key. With the answer
            `"rejected"`, which only job types with a limit that is declared so give, there is no job of this id.
        is_new: Whether a job was made.
        answer: What was done.
    """

    id: UUID
    is_new: bool
    answer: Answer = "created"


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """How many jobs of a type may run at a time. A type may have several of these; all must pass at once.

    Args:
        max: Running jobs at the most.
        per: `None` for all of the type together, `"workspace"`, `"user"`, or the name of a payload field (as on the
            wire, camelCase) whose values are counted each on its own.
        scope: `"fleet"` over all daemons, `"daemon"` inside each.
        floor: While fewer jobs of a value run than this, its turn comes before those of the others; needs `per`.
        on_full: What becomes of a new job when as many as `max` run or wait: `"queue"` lets it wait, `"reject_new"`
            does not enqueue it, `"cancel_running"` cancels the oldest for it.
    """

    max: int
    per: str | None = None
    scope: Literal["fleet", "daemon"] = "fleet"
    floor: int = 0
    on_full: OnFull = "queue"

    def __post_init__(self) -> None:
        """Refuse what does not hold together."""
        if self.floor and (self.per is None or self.scope == "daemon" or self.floor > self.max):
            raise PluginError(
                "A floor is for each value of a key over all daemons, and not above its max.", hint="Give it a per."
            )
        if self.on_full != "queue" and (self.scope == "daemon" or self.max < 1):
            raise PluginError(
                f"on_full={self.on_full!r} needs a limit over all daemons that lets a job run.",
                hint='Leave scope at "fleet".',
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unique:
    """At most one job per key, and what becomes of a job whose key is taken. See docs/enqueue.md.

    Args:
        scope: `"waiting"` until the job starts, `"unfinished"` until it ends, `"for"` for `seconds`.
        fields: The payload fields (as on the wire, nested ones as `"contact.id"`) that make the key; None for the whole
            payload.
        seconds: How long scope `"for"` holds.
        on_conflict: `"return"` the job that holds the key; or, as long as that has never started, `"replace"` its
            payload, `"merge"` both, `"push_back"` its time, or `"keep_time"` while its payload is replaced. A job that
            has started is never changed: one follow-up is queued behind it.
        delay_seconds: Due so long after the enqueue, where the caller does not say when.
        max_delay_seconds: How far `"push_back"` may move a job, counted from the first enqueue.
    """

    scope: Scope = "unfinished"
    fields: tuple[str, ...] | None = None
    seconds: float | None = None
    on_conflict: OnConflict = "return"
    delay_seconds: float | None = None
    max_delay_seconds: float | None = None

    def __post_init__(self) -> None:
        """Refuse what does not hold together."""
        if (self.scope == "for") != (self.seconds is not None):
            raise PluginError('The scope "for" and its seconds go together.', hint="Give both, or neither.")
        if self.on_conflict == "push_back" and self.max_delay_seconds is None:
            raise PluginError(
                "What is pushed back without end might never start.", hint="Give max_delay_seconds with push_back."
            )


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


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """When a schedule fires that fires once.

    Args:
        at: An instant, or, without an offset from UTC, a reading of the clock in `timezone`.
        timezone: IANA name of a zone.
        offset_seconds: How long after `at` it fires; negative: before. Elapsed time.
        catch_up: With `"skip"` it fires at most 60 seconds late; otherwise whenever a daemon runs again.
        spread_seconds: As for a `Schedule`.
    """

    at: datetime
    timezone: str = "UTC"
    offset_seconds: int = 0
    catch_up: CatchUp = "last"
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

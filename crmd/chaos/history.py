"""What is known of a run, from five sides: claims, writes, ends, the ledger outside, the acknowledgements."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from crmd.chaos.plan import Kind
    from crmd.chaos.workload.mark import Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One claim of a job, as triggers on crmd.lease saw it. Instants are seconds of the database server's clock.

    `is_daemon_dead` was true when it was made; `gone_at` is None when the lease is still there. `due_at` is by the
    clock of crmd, which a fault may turn.
    """

    job_id: UUID
    fence: int
    claim_id: UUID
    claimed_at: float
    gone_at: float | None
    pid: int | None = None
    is_daemon_dead: bool = False
    type: str = ""
    lane: str | None = None
    unique_key: str | None = None
    attempt: int = 1
    snooze_count: int = 0
    due_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One row that a job wrote under its lease; what is `held_…` the lease itself said at that moment."""

    id: int
    job_id: UUID
    name: str
    fence: int
    claim_id: UUID
    held_fence: int | None
    held_claim_id: UUID | None
    workspace_id: UUID | None
    held_workspace_id: UUID | None
    seen_count: int
    written_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One row of crmd.archive."""

    job_id: UUID
    type: str
    status: str
    fence: int
    attempt: int
    max_attempts: int
    crash_count: int
    finished_at: float
    parent_id: UUID | None = None
    unique_key: str | None = None
    key: str = ""
    schedule_id: str | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """A job that had not ended, and in which table it was."""

    job_id: UUID
    type: str
    place: str


@dataclass(frozen=True, slots=True)
class Ack:
    """An enqueue that was answered; `key` is what the client asked with, "" without."""

    key: str
    job_id: UUID
    job_type: str
    at: float


@dataclass(frozen=True, slots=True)
class Tick:
    """One slot of a schedule that was booked; without a job it was skipped."""

    schedule_id: str
    due_at: float
    job_id: UUID | None


@dataclass(frozen=True, slots=True)
class Taken:
    """Something that the receiver outside took."""

    key: str
    at: float


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault that was done: to which process, from when to when."""

    kind: Kind
    target: int
    pid: int | None
    began_at: float
    ended_at: float


@dataclass(frozen=True, slots=True)
class Birth:
    """A daemon that was there for the database from now on."""

    pid: int
    at: float


@dataclass(frozen=True, slots=True)
class Death:
    """A daemon that ended: with which code, which fault made it ("" for none), and which of the fleet it was."""

    pid: int
    at: float
    code: int
    cause: str
    target: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Everything that was noted.

    Attributes:
        began_at: When the storm began.
        lease_seconds: Of the daemons.
        daemons: How many there were at a time.
        schedules: The schedules that had to fire, once each.
        cancels: Jobs that the client asked to cancel.
        bounds: How many jobs of a key may run at a time.
        children_of: How many children a parent of a type makes.
        writes_of: What a job of a type has written when it completed.
        ends_of: How a job of a type may end; a cancelled one may also end as that.
        overlaps: What a look in the middle found in more than one table.
    """

    began_at: float = 0.0
    lease_seconds: float = 3.0
    daemons: int = 3
    claims: Sequence[Claim] = ()
    writes: Sequence[Write] = ()
    ends: Sequence[End] = ()
    left: Sequence[Left] = ()
    acks: Sequence[Ack] = ()
    marks: Sequence[Mark] = ()
    ticks: Sequence[Tick] = ()
    taken: Sequence[Taken] = ()
    struck: Sequence[Struck] = ()
    births: Sequence[Birth] = ()
    deaths: Sequence[Death] = ()
    overlaps: Sequence[UUID] = ()
    schedules: Sequence[str] = ()
    cancels: frozenset[UUID] = frozenset()
    bounds: Mapping[str, int] = field(default_factory=dict)
    children_of: Mapping[str, int] = field(default_factory=dict)
    writes_of: Mapping[str, frozenset[str]] = field(default_factory=dict)
    ends_of: Mapping[str, frozenset[str]] = field(default_factory=dict)

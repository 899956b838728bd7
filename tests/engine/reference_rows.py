"""What the reference store keeps: a job in whichever stage it is, a daemon, a unique key. Instants are seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from uuid import UUID

NEVER = math.inf
HEAD_START = {"critical": 900.0, "high": 300.0, "normal": 60.0, "low": 0.0}


class Ticket(NamedTuple):
    """The token of a claim."""

    id: UUID
    fence: int
    claim_id: UUID


@dataclass(slots=True)
class Job:
    """One job: its waiting part, what a claim adds while it runs, and what its end adds."""

    id: UUID
    run_at: float
    created_at: float
    max_attempts: int = 3
    priority: str = "normal"
    payload: dict[str, Any] = field(default_factory=dict)
    unique_key: str | None = None
    expires_at: float | None = None
    held: str | None = None
    follows: UUID | None = None
    fence: int = 0
    attempt: int = 0
    crash_count: int = 0
    snooze_count: int = 0
    started_at: float | None = None
    errors: list[str] = field(default_factory=list)
    claim_id: UUID | None = None
    daemon_id: UUID | None = None
    claimed_at: float | None = None
    is_alone: bool = False
    cancel_reason: str | None = None
    status: str | None = None
    finished_at: float | None = None

    @property
    def rank_at(self) -> float:
        """The queue's order: priority is a head start."""
        return self.run_at - HEAD_START[self.priority]

    @property
    def ticket(self) -> Ticket:
        """The token of its present claim."""
        assert self.claim_id is not None
        return Ticket(self.id, self.fence, self.claim_id)

    @property
    def waiting_row(self) -> tuple[Any, ...]:
        """As in crmd.job."""
        return (*self._row, self.rank_at, self.held, self.follows, self.expires_at)

    @property
    def lease_row(self) -> tuple[Any, ...]:
        """As in crmd.lease."""
        return (*self._row, self.claim_id, self.daemon_id, self.claimed_at, self.is_alone, self.cancel_reason)

    @property
    def archive_row(self) -> tuple[Any, ...]:
        """As in crmd.archive."""
        return (*self._row, self.claim_id, self.status, self.finished_at)

    @property
    def _row(self) -> tuple[Any, ...]:
        return (
            self.id, self.run_at, self.created_at, self.fence, self.attempt, self.max_attempts, self.crash_count,
            self.snooze_count, self.priority, self.payload, self.unique_key, self.started_at, self.errors,
        )  # fmt: skip


@dataclass(slots=True)
class Daemon:
    """A life of a daemon."""

    id: UUID
    lease_until: float
    is_dead: bool = False


@dataclass(slots=True)
class Key:
    """A unique key that is taken."""

    job_id: UUID
    scope: str
    expires_at: float
    moves_until: float | None
    before_id: UUID | None = None


class Rule(NamedTuple):
    """How a unique key of an enqueue behaves, and what else it says: see docs/enqueue.md."""

    key: str
    scope: str = "unfinished"
    seconds: float | None = None
    on_conflict: str = "return"
    max_delay_seconds: float | None = None


class New(NamedTuple):
    """A job to be enqueued; None: as its type has it."""

    payload: dict[str, Any] = {}  # noqa: RUF012 - never changed
    delay_seconds: float | None = None
    priority: str | None = None
    max_attempts: int | None = None
    expires_in_seconds: float | None = None
    rule: Rule | None = None


class Outcome(NamedTuple):
    """What a settle gives a job back with."""

    ticket: Ticket
    delay_seconds: float | None
    is_attempt_given_back: bool
    snoozes: int = 0
    error: str | None = None
    held: str | None = None


def merged(older: Any, newer: Any) -> Any:  # noqa: ANN401 - any JSON
    """Two payloads as one."""
    if isinstance(older, list) and isinstance(newer, list):
        return older + newer
    if isinstance(older, dict) and isinstance(newer, dict):
        both = {name: merged(older[name], newer[name]) for name in older.keys() & newer.keys()}
        return {**older, **newer, **both}
    return newer

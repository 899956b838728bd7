"""One job that runs here and now: its token, its scope, and why it was stopped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from anyio import CancelScope

from crmd.clock import boot_seconds
from crmd.engine.queue import Queue
from crmd.job_type import JobType
from crmd.outcome import Stop
from crmd.store.claimed_row import whole
from crmd.store.leases import Token
from crmd.stored_text import clean_text, encode_bounded

NOTE_MAX = 200
REASON_MAX = 500
_REASON_GROUPS_MAX = 20


class Progress:
    """How far a job is; written by a loop, at most twice a second."""

    __slots__ = ("counts", "done", "is_dirty", "items", "note", "reasons", "total")

    def __init__(self) -> None:
        self.done = 0
        self.total: int | None = None
        self.note = ""
        self.counts = {"succeeded": 0, "blocked": 0, "failed": 0}
        self.reasons: dict[str, int] = {}
        self.items: list[tuple[str, str, str | None]] = []
        self.is_dirty = False

    def book(self, item: object, outcome: str, reason: str | None) -> None:
        """Count an item and keep it for the next write."""
        text = None if reason is None else clean_text(reason, REASON_MAX)
        self.items.append((clean_text(str(item), REASON_MAX), outcome, text))
        self.count(outcome, text)

    def count(self, outcome: str, reason: str | None, items: int = 1) -> None:
        """Count items; what earlier attempts have booked counts on."""
        self.counts[outcome] += items
        if reason is not None and (reason in self.reasons or len(self.reasons) < _REASON_GROUPS_MAX):
            self.reasons[reason] = self.reasons.get(reason, 0) + items
        self.is_dirty = True

    def as_json(self) -> bytes:
        """The column `progress`."""
        value: dict[str, Any] = {"done": self.done, "total": self.total}
        if self.note:
            value["note"] = self.note
        if any(self.counts.values()):
            value |= self.counts
        if self.reasons:
            value["reasons"] = self.reasons
        return encode_bounded(value)


class Run(msgspec.Struct, eq=False):
    """A claimed job in this process; a struct, since one is made for every job.

    Attributes:
        claimed: Its row as the claim answered it; `row` has all columns.
        job_type: What it is.
        token: What proves that it is held.
        slot: The queue whose slot it has: the job's own, or that for suspects; None: it runs outside any queue.
        trace: Header `traceparent` of this attempt, for the jobs that it starts; empty: it is not traced.
        cut_by: What was raised when a session that it used was lost.
        has_children: By this attempt; the settler asks for those that earlier ones have started.
    """

    claimed: Any
    job_type: JobType
    token: Token
    slot: Queue | None = None
    scope: CancelScope | None = None
    stop: Stop | None = None
    reason: str = ""
    progress: Progress | None = None
    has_children: bool = False
    started: float = 0.0
    ended: float = 0.0
    trace: str = ""
    deadline: float = 0.0
    stopped: float = 0.0
    cut_by: BaseException | None = None
    _row: Mapping[str, Any] | None = None

    @property
    def row(self) -> Mapping[str, Any]:
        """Every column of the job; taken apart when first asked for, since a no-op handler never does."""
        if self._row is None:
            self._row = whole(self.claimed)
        return self._row

    @property
    def queue(self) -> str:
        """Of the job, which need not be that of the slot in which it runs."""
        queue: str = self.row["queue"]
        return queue

    @property
    def leaves_nothing(self) -> bool:
        """Whether its end concerns nobody but itself: no progress, key, parent or children to be booked."""
        claimed = self.claimed
        return (
            self.progress is None
            and not self.has_children
            and self.token.fence == 1  # an earlier claim may have started children
            and claimed["parent_id"] is None
            and claimed["unique_key"] is None
        )

    def halt(self, why: Stop, reason: str = "") -> None:
        """Cancel the handler. The first reason stands, but a lost lease outdoes every other: nothing may be written."""
        if self.stop is None or why is Stop.LEASE_LOST:
            self.stopped = boot_seconds()
            self.stop = why
            self.reason = reason
        if self.scope is not None:
            self.scope.cancel()
